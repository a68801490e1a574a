import zipfile
import zlib
from pathlib import Path

import pytest
from archives import only_program, rar, without_package

from r3d_jax.data import unpack
from r3d_jax.data.unpack import can_unpack_rar, unpack_rar, unpack_zip

FILES = {"UCF-101/A/a.avi": b"a" * 3000, "UCF-101/B/größer.avi": bytes(range(256)) * 500, "empty.txt": b""}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "inside").mkdir()
    return tmp_path / "inside"


@pytest.fixture
def package():
    return pytest.importorskip("unrar.cffi.unrarlib", reason="unrar2-cffi has no wheel for this machine")


def archived(tmp_path, data):
    (tmp_path / "some.rar").write_bytes(data)
    return tmp_path / "some.rar"


def found_in(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_package_unpacks_rar(package, tmp_path, folder, monkeypatch):
    monkeypatch.setenv("PATH", "")  # no program does
    assert can_unpack_rar()
    unpack_rar(archived(tmp_path, rar({name: FILES[name] for name in FILES if name.isascii()})), folder)
    assert found_in(folder) == {name: FILES[name] for name in FILES if name.isascii()}


@pytest.mark.parametrize("name", ["../evil.avi", "a/../../evil.avi", "/evil.avi", "a/..", "."])
def test_an_entry_that_leads_out_of_the_folder_is_refused_and_not_written(package, tmp_path, folder, name):
    archive = archived(tmp_path, rar({"a/b.avi": b"b", name: b"e"}))
    with pytest.raises(ValueError, match=r"the entry '.*' leads out of the folder"):
        unpack_rar(archive, folder)
    assert not list(tmp_path.rglob("evil*")) and found_in(folder) == {"a/b.avi": b"b"}


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"<html>not found</html>", "unrar2-cffi: Cannot open .*some.rar"),
        (b"", "unrar2-cffi: Cannot open .*some.rar"),
        (rar({"a": b"whole", "b": b"z" * 9000})[:-3000], "unrar2-cffi: Rarfile corrupted"),
        (rar({"a": b"whole", "b": b"not"}, damaged=True), "unrar2-cffi: Rarfile corrupted"),
    ],
)
def test_a_damaged_rar_is_refused(package, tmp_path, folder, data, reason):
    with pytest.raises(ValueError, match=reason):
        unpack_rar(archived(tmp_path, data), folder)


def test_a_full_disk_is_not_taken_for_an_unpacked_file(package, tmp_path, folder, monkeypatch):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full, which is always full")
    monkeypatch.setattr(unpack, "_inside", lambda *_: Path("/dev/full"))
    with pytest.raises(OSError, match="No space left"):
        unpack_rar(archived(tmp_path, rar({"a": bytes(10**6)})), folder)


def test_a_program_unpacks_where_the_package_is_not_there(tmp_path, folder, monkeypatch):
    archive = archived(tmp_path, b"as good as a RAR")
    only_program(tmp_path, monkeypatch, 'cp "$3" "$4"')
    assert can_unpack_rar()
    unpack_rar(archive, folder)
    assert found_in(folder) == {"some.rar": b"as good as a RAR"}
    for command, reason in (("echo CRC failed >&2; exit 3", "unrar: CRC failed"), ("exit 7", "unrar: exit status 7")):
        (tmp_path / "bin/unrar").write_text(f"#!/bin/sh\n{command}\n")
        with pytest.raises(ValueError, match=reason):
            unpack_rar(archive, folder)


def test_with_neither_both_remedies_are_named(tmp_path, folder, monkeypatch):
    without_package(monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not can_unpack_rar()
    with pytest.raises(
        ValueError, match=r"pip install unrar2-cffi .* unrar, unar, bsdtar, 7z \(Debian: apt install unar"
    ):
        unpack_rar(archived(tmp_path, rar({"a": b"a"})), folder)


def test_zip_is_unpacked_into_its_folder_alone(tmp_path, folder):
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as file:
        for name, data in (FILES | {"../evil.txt": b"evil", f"{tmp_path}/evil.txt": b"evil"}).items():
            file.writestr(name, data)
    unpack_zip(tmp_path / "some.zip", folder)
    assert found_in(folder).items() >= FILES.items()
    assert all(path.is_relative_to(folder) for path in tmp_path.rglob("evil*"))


def test_a_damaged_zip_is_refused(tmp_path, folder):
    with zipfile.ZipFile(tmp_path / "some.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a", zlib.compress(bytes(range(256)) * 9))
    data = (tmp_path / "some.zip").read_bytes()
    spoiled = data[:40] + b"?" * 9 + data[49:]
    for damaged, reason in ((b"PK", "not a zip"), (data[:-5], "not a zip"), (spoiled, "Error -3|Bad CRC")):
        (tmp_path / "some.zip").write_bytes(damaged)
        with pytest.raises(ValueError, match=reason):
            unpack_zip(tmp_path / "some.zip", folder)
    with pytest.raises(OSError, match="No such file"):
        unpack_zip(tmp_path / "none.zip", folder)
