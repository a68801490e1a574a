import errno
import os
import resource
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from r3d_jax import files
from r3d_jax.errors import InputError
from r3d_jax.files import (
    check_free,
    locked,
    mebibytes,
    occupied,
    refuse_existing,
    shortage,
    told_when_full,
    whole,
    why_full,
    write_text,
)
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


HOLDER = "import sys, pathlib; from r3d_jax.files import occupied\n"
HOLDER += "with occupied(pathlib.Path(sys.argv[1])): print('has it', flush=True); sys.stdin.read()"


def test_a_folder_is_one_processs_until_it_dies(tmp_path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], **pipes) as holder:
        assert holder.stdout.readline() == b"has it\n"
        said = rf"{tmp_path} is in use by process {holder.pid} on \S+ since 2\d+-\d\d-\d\d .*; wait for its end, or en"
        with pytest.raises(InputError, match=said), occupied(tmp_path):
            pass
        holder.kill()
    with occupied(tmp_path) as kept:
        assert kept


def test_a_folder_is_free_again_after_a_block_that_fails(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), occupied(tmp_path):
            raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_only_a_folder_that_was_made_and_stays_empty_is_removed(tmp_path):
    for name, made, removed in (("new", False, True), ("empty", True, False)):
        made and (tmp_path / name).mkdir()
        with occupied(tmp_path / name):
            assert (tmp_path / name).is_dir()
        assert (tmp_path / name).exists() != removed
    with occupied(tmp_path / "new"):
        (tmp_path / "new" / "result").touch()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["result"]


def test_of_many_at_once_no_two_have_a_folder(tmp_path):
    inside, most, times = 0, 0, 0

    def enter():
        nonlocal inside, most, times
        for _ in range(50):
            try:
                with occupied(tmp_path):
                    inside += 1
                    most, times = max(most, inside), times + 1
                    inside -= 1
            except InputError:
                pass

    threads = [threading.Thread(target=enter) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1 and times > 0


def test_where_there_are_no_locks_nobody_is_kept_out(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    with occupied(tmp_path) as first, occupied(tmp_path) as second:
        assert not first and not second
    monkeypatch.setattr(files, "fcntl", None)
    with occupied(tmp_path) as kept:
        assert not kept


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path):
    (tmp_path / "file").touch()
    said = r"file/run cannot be written to \(Not a directory\); see to its rights, or name another folder"
    with pytest.raises(InputError, match=said), occupied(tmp_path / "file" / "run"):
        pass


def test_what_does_not_fit_is_refused(tmp_path):
    check_free(tmp_path / "not" / "there", 1, "a byte")
    assert shortage(tmp_path, 1, "a byte") == ""
    with pytest.raises(
        InputError, match=r"a book needs about 1,\d+,.* MiB in .*, and .* MiB are free; make room, or na"
    ):
        check_free(tmp_path / "not" / "there", 2**80, "a book")
    assert mebibytes(3 * 2**19) == "1.5 MiB"


def test_a_file_that_reaches_the_limit_is_one_message(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    said = r"^.*: File too large; a row needs 2.0 MiB, and .* MiB are free; make room .*, and the same command goes on$"
    try:
        with pytest.raises(InputError, match=said), told_when_full(tmp_path, 2**21, "a row"):
            (tmp_path / "large").write_bytes(bytes(200))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_known_by_its_number_or_its_text_however_deep(tmp_path):
    assert why_full(OSError(errno.EDQUOT, "whatever")) == os.strerror(errno.EDQUOT)
    deep = RuntimeError("a thread failed")
    deep.__cause__ = ValueError("RESOURCE_EXHAUSTED: Failed to write 7 bytes: No space left on device")
    assert why_full(deep) == "No space left on device"
    for error in (None, OSError(errno.EACCES, "no"), ValueError("no")):
        assert why_full(error) == ""
    with pytest.raises(ValueError, match=r"^no$"), told_when_full(tmp_path, 0, ""):
        raise ValueError("no")
