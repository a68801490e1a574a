"""Files from a server on this machine: whole, broken off, changed, missing."""

import hashlib
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
from fileserver import served

from r3d_jax.errors import InputError
from r3d_jax.weights import download
from r3d_jax.weights.download import TRIES, cache_folder, fetch, pin

CONTENT = np.random.default_rng(0).bytes(3_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
NAME = "/zoo/net.pth"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "net.pth"


def names(path):
    return sorted(each.name for each in path.parent.iterdir())


def test_a_file_is_downloaded_once_and_checked(path, capsys):
    with served({NAME: CONTENT}) as server:
        assert fetch(server.url + NAME, path, DIGEST[:8]) == DIGEST
        assert fetch(server.url + NAME, path, DIGEST[:8]) == DIGEST
        assert server.asked == [(NAME, "")]
    assert path.read_bytes() == CONTENT and names(path) == ["net.pth"]
    assert capsys.readouterr() == ("", ""), "where no terminal is, nothing is drawn"


def test_a_terminal_sees_how_far_it_is(path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with served({NAME: CONTENT}) as server:
        fetch(server.url + NAME, path)
    assert "net.pth:   0%|          | 0.00/2.86M" in capsys.readouterr().err


def begins(asked):
    """Where each request began, in hundred thousands."""
    return [round(int(each.removeprefix("bytes=").rstrip("-") or 0) / 1e5) for _, each in asked]


def test_what_breaks_off_is_gone_on_with(path):
    with served({NAME: CONTENT}, breaks=[1_500_000, 700_000]) as server:
        fetch(server.url + NAME, path, DIGEST[:8])
        assert begins(server.asked) == [0, 14, 21]
    assert path.read_bytes() == CONTENT and names(path) == ["net.pth"]


def test_a_later_call_goes_on_with_what_broke_off_again_and_again(path):
    with served({NAME: CONTENT}, breaks=[500_000] * TRIES) as server:
        with pytest.raises(
            InputError, match=r"net.pth broke off 3 times; run this again, which goes on from there, or"
        ):
            fetch(server.url + NAME, path)
        assert names(path) == ["net.pth.part", "net.pth.part.tag"]
        fetch(server.url + NAME, path)
        assert begins(server.asked) == [0, 5, 9, 14]
    assert path.read_bytes() == CONTENT and names(path) == ["net.pth"]


def test_a_server_without_parts_starts_anew(path):
    with served({NAME: CONTENT}, parts=False, breaks=[1_500_000]) as server:
        fetch(server.url + NAME, path)
    assert path.read_bytes() == CONTENT


def test_halves_of_two_versions_are_never_put_together(path):
    files = {NAME: bytes(2_000_000)}
    for tags in (True, False):
        with served(files, tags=tags, breaks=[500_000] * TRIES) as server:
            with pytest.raises(InputError, match="broke off"):
                fetch(server.url + NAME, path)
            files[NAME] = CONTENT
            fetch(server.url + NAME, path)
        assert path.read_bytes() == CONTENT
        path.unlink()


def test_a_part_that_is_the_whole_or_longer(path):
    part = path.with_name("net.pth.part")
    path.parent.mkdir()
    for there in (CONTENT, CONTENT + b"more"):
        part.write_bytes(there)
        with served({NAME: CONTENT}) as server:
            fetch(server.url + NAME, path, DIGEST[:8])
        assert path.read_bytes() == CONTENT and not part.exists()
        path.unlink()


def test_a_file_with_another_digest_is_removed(path):
    with served({NAME: CONTENT}) as server:
        told = (
            rf"what came from {server.url}/zoo/net.pth is another .* begins with {DIGEST[:8]}, and its publisher tells"
        )
        with pytest.raises(InputError, match=told + " 00000000; it was removed; download it again"):
            fetch(server.url + NAME, path, "00000000")
    assert names(path) == []


def test_a_file_that_was_put_there_is_taken_and_never_removed(path):
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    for end in (".part", ".part.tag"):
        path.with_name(path.name + end).write_text("what broke off earlier")
    assert fetch("http://127.0.0.1:1/net.pth", path, DIGEST[:8]) == DIGEST
    with pytest.raises(
        InputError, match=r"net.pth is another file .* tells 00000000; replace it, or download it again"
    ):
        fetch("http://127.0.0.1:1/net.pth", path, "00000000")
    assert names(path) == ["net.pth"]


def test_without_a_published_digest_later_files_have_to_be_the_first(path):
    files = {NAME: CONTENT}
    with served(files) as server:
        pin(path, fetch(server.url + NAME, path))
        path.unlink()
        fetch(server.url + NAME, path)
        path.unlink()
        files[NAME] = b"another"
        with pytest.raises(InputError, match=r"the first download had .*net.pth.sha256.*removed; if its publisher has"):
            fetch(server.url + NAME, path)
        assert names(path) == ["net.pth.sha256"]
        path.with_name("net.pth.sha256").unlink()
        fetch(server.url + NAME, path)
    assert path.read_bytes() == b"another"


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def test_without_a_network_one_message_says_where_to_put_the_file(path):
    url = f"http://127.0.0.1:{free_port()}/net.pth"
    with pytest.raises(InputError) as raised:
        fetch(url, path)
    message = str(raised.value)
    assert message.startswith(f"{url} cannot be reached; run this again with a network, or put the file at {path}, ")
    assert "R3D_JAX_MIRROR" in message and "\n" not in message
    path.write_bytes(CONTENT)
    assert fetch(url, path) == DIGEST


@pytest.mark.parametrize("status, reason", [(404, "404 Not Found"), (503, "503 Service Unavailable")])
def test_what_the_server_does_not_have(path, status, reason):
    with served({}, status=status) as server, pytest.raises(InputError) as raised:
        fetch(server.url + NAME, path)
    assert f"{NAME} cannot be downloaded ({reason}); put the file at {path}" in str(raised.value)
    with pytest.raises(InputError, match=r"nowhere/net.pth cannot be downloaded \(Invalid URL"):
        fetch("nowhere/net.pth", path)


def test_a_full_disk_keeps_what_came(path, monkeypatch):
    path.parent.mkdir()
    path.with_name("net.pth.part").symlink_to("/dev/full")
    with (
        served({NAME: CONTENT}) as server,
        pytest.raises(InputError, match=r"no space is left in .*/cache for net.pth;"),
    ):
        fetch(server.url + NAME, path)


def test_other_troubles_of_the_disk_are_told_as_they_are(path, monkeypatch):
    path.parent.mkdir()
    path.with_name("net.pth.part").mkdir()
    with served({NAME: CONTENT}) as server, pytest.raises(IsADirectoryError):
        fetch(server.url + NAME, path)


def test_a_mirror_has_the_files_under_their_names(path, monkeypatch):
    with served({"/all/net.pth": CONTENT}) as server:
        for mirror in (f"{server.url}/all", f"{server.url}/all/"):
            monkeypatch.setenv(download.MIRROR, mirror)
            fetch("https://no.such.host/zoo/other-name.pth", path, DIGEST[:8])
            assert path.read_bytes() == CONTENT
            path.unlink()


def test_the_folder_is_the_users_cache_unless_one_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv(download.HOME, raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == tmp_path / ".cache" / "r3d_jax"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert cache_folder() == tmp_path / "caches" / "r3d_jax"
    monkeypatch.setenv(download.HOME, "~/mine")
    assert cache_folder() == Path(tmp_path / "mine")
