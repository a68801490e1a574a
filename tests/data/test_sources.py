import os

import pytest

from r3d_jax.data import sources
from r3d_jax.data.sources import NAMED, Origin, changes, compare, digest_of, read_origin, some, stamp, write_origin


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / "mine" / f"{name}.avi" for name in "abc"]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(path.stem.encode() * 9)
    return paths


def later(path, data=None):
    """Another time, whatever the file system's clock."""
    time = path.stat().st_mtime_ns
    if data is not None:
        path.write_bytes(data)
    os.utime(path, ns=(time + 10**9, time + 10**9))


def stamps(files):
    return {str(path): stamp(path) for path in files}


def test_what_is_as_it_was_is_not_read(files, monkeypatch):
    before = stamps(files)
    monkeypatch.setattr(sources, "stamp", None)
    assert compare(before, files) == ({}, before)


def test_other_bytes_of_the_same_number_are_a_change_and_a_mere_touch_is_none(files):
    before = stamps(files)
    later(files[0], b"x" * 9)
    later(files[1])
    found, now = compare(before, files)
    assert found == {"changed": [str(files[0])]}
    assert now[str(files[0])] == before[str(files[0])] and now[str(files[1])] == stamp(files[1])


def test_what_is_new_gone_or_of_another_size_is_told(files):
    before = stamps(files[:2])
    files[0].unlink()
    files[1].write_bytes(b"longer than before")
    assert compare(before, files)[0] == {
        "changed": [str(files[1])], "new": [str(files[2])], "gone": [str(files[0])],
    }  # fmt: skip


def test_names_are_relative_to_the_folder_and_times_are_brought_up_to_date(files, tmp_path):
    path, folder = tmp_path / "origin.json", files[0].parent
    assert changes(path, files, folder) == ""  # prepared by an earlier version
    outside = tmp_path / "trainlist01.txt"
    outside.write_text("a")
    write_origin(path, Origin(stamps([*files, outside]), ["d"]))
    later(files[0])
    assert changes(path, [*files, outside], folder) == ""
    assert read_origin(path) == Origin(stamps([*files, outside]), ["d"])
    later(files[0], b"y" * 9)
    later(outside, b"b")
    assert changes(path, [*files, outside], folder) == f"changed: a.avi, {outside}"


def test_a_table_that_cannot_be_written_stays(files, tmp_path, monkeypatch):
    path = tmp_path / "origin.json"
    write_origin(path, Origin(stamps(files), []))
    later(files[0])

    def read_only(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(sources, "write_origin", read_only)
    assert changes(path, files, tmp_path) == ""


def test_a_digest_is_that_of_the_bytes(files):
    assert stamp(files[0]).digest == digest_of(files[0].read_bytes()) != digest_of(b"")


def test_of_many_names_a_few_are_told():
    assert some("ab") == "a, b" and some(map(str, range(NAMED + 2))) == "0, 1, 2, 3, 4 and 2 more"
