import os
import threading
import time

import numpy as np
import pytest

from r3d_jax.errors import InputError
from r3d_jax.files import locked, refuse_existing, whole, write_text
from r3d_jax.video.encode import write_video
from r3d_jax.video.stream import Moment


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_the_old_file_and_no_other(tmp_path, error):
    path = tmp_path / "result.txt"
    path.write_text("old")
    with pytest.raises(error), whole(path) as unfinished:
        unfinished.write_text("half of the n")
        raise error
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_until_the_end_the_old_file_is_there(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("old")
    with whole(path) as unfinished:
        assert unfinished.parent == tmp_path and unfinished.read_bytes() == b""
        unfinished.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_two_at_a_time_do_not_meet(tmp_path):
    path = tmp_path / "result.txt"
    with whole(path) as first, whole(path) as second:
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first" and list(tmp_path.iterdir()) == [path]


def test_text_is_utf_8_in_a_folder_that_is_made(tmp_path):
    path = tmp_path / "deep" / "down" / "classes.txt"
    for text in ("Käse\n", "größer\n"):
        write_text(path, text)
        assert path.read_bytes() == text.encode("utf-8")
    assert list(path.parent.iterdir()) == [path]


def frames(path):
    write_video(path, [Moment(i / 10, np.zeros((16, 16, 3), np.uint8)) for i in range(2)])


@pytest.mark.parametrize("name, write", [("a.txt", lambda path: write_text(path, "new")), ("a.gif", frames)])
def test_a_users_own_file_of_a_like_name_is_kept(tmp_path, name, write):
    beside = [tmp_path / f"{name}.tmp", tmp_path / f".{name}.tmp", tmp_path / f".{name}"]
    for path in beside:
        path.write_text("mine")
    write(tmp_path / name)
    assert {path.read_text() for path in beside} == {"mine"}
    assert set(tmp_path.iterdir()) == {tmp_path / name, *beside}


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_rights_are_those_of_a_plain_open(tmp_path, umask):
    before = os.umask(umask)
    try:
        (tmp_path / "plain").open("w").close()
        write_text(tmp_path / "ours", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_what_is_there_is_refused(tmp_path):
    refuse_existing(tmp_path / "new")
    for path in (tmp_path, tmp_path / "file"):
        path.exists() or path.touch()
        with pytest.raises(InputError, match="is there already; name another file, or move it away"):
            refuse_existing(path)


def test_one_at_a_time_is_in_a_locked_block(tmp_path):
    inside, most = 0, 0

    def enter():
        nonlocal inside, most
        with locked(tmp_path / "deep" / ".lock"):
            inside += 1
            most = max(most, inside)
            time.sleep(0.01)
            inside -= 1

    threads = [threading.Thread(target=enter) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1 and (tmp_path / "deep" / ".lock").read_bytes() == b""


def test_a_block_that_fails_is_unlocked(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), locked(tmp_path / ".lock"):
            raise KeyboardInterrupt
