import errno
import queue
import resource
import shutil
import threading

import pytest

from r3d_jax import files
from r3d_jax.data.disk import RENEWED, alone, clear_kept, kept_beside, swap
from r3d_jax.errors import InputError
from r3d_jax.files import locked


def folder_with(path, text="old"):
    path.mkdir(parents=True)
    (path / "shard").write_text(text)
    return path


def test_what_a_killed_preparation_has_left_is_removed_and_told(tmp_path, capsys):
    folder = tmp_path / "mine" / "2.0.0"
    for name in ("incomplete.ABC123_2.0.0", "incomplete.DEF456_renewed"):
        folder_with(folder.with_name(name))
    user = folder_with(folder.with_name("notes"))
    with alone(folder):
        assert sorted(path.name for path in folder.parent.iterdir()) == [".lock", "notes"]
    printed = capsys.readouterr().out
    assert "Removed incomplete." in printed and "left by a process that ended early" in printed and user.exists()
    with alone(folder):
        pass
    assert capsys.readouterr().out == ""


def test_what_is_kept_of_videos_is_taken_up_and_removed_once_all_is_done(tmp_path, capsys):
    folder = tmp_path / "mine" / "2.0.0"
    folder_with(folder.with_name("incomplete.ABC123_2.0.0"))
    for name in ("ab1.npz", "ab2.npz", ".ab3.npz.tmp"):
        (kept_beside(folder) / "ab").mkdir(parents=True, exist_ok=True)
        (kept_beside(folder) / "ab" / name).touch()
    with pytest.raises(KeyError), alone(folder):
        raise KeyError("failed")
    assert len(list(kept_beside(folder).rglob("*.npz"))) == 2
    with alone(folder):
        pass
    assert sorted(path.name for path in folder.parent.iterdir()) == [".lock"]
    [first, second] = capsys.readouterr().out.splitlines()
    assert first == second == f"Going on with 2 videos that a process which ended early has prepared in {folder.parent}"
    clear_kept(folder)
    kept_beside(folder).mkdir()
    clear_kept(folder)
    assert not kept_beside(folder).exists()


def test_what_a_living_process_prepares_is_left_until_it_is_done(tmp_path, monkeypatch):
    """The lock is that of the open file: another open one of this process waits as another process does."""
    folder = tmp_path / "mine" / "2.0.0"
    left, entered, said = folder_with(folder.with_name("incomplete.ABC123_2.0.0")), [], queue.Queue()
    monkeypatch.setattr(files, "print", lambda text, **_: said.put(text), raising=False)  # capsys is for one thread

    def enter():
        with alone(folder):
            entered.append(left.exists())

    with locked(folder.parent / ".lock"):
        other = threading.Thread(target=enter)
        other.start()
        assert said.get(timeout=60) == f"Another process prepares {folder}; waiting for it"
        assert left.exists() and not entered
    other.join()
    assert entered == [False]


def test_the_new_takes_the_place_of_the_old_at_any_moment_of_a_kill(tmp_path, monkeypatch):
    folder = folder_with(tmp_path / "2.0.0")
    folder_with(tmp_path / RENEWED, "new")
    with alone(tmp_path / "2.0.0"):  # killed before the swap: it may not have been whole
        assert (folder / "shard").read_text() == "old" and not (tmp_path / RENEWED).exists()
    for killed_at in ("second", "rmtree", ""):
        shutil.rmtree(folder)
        folder_with(folder)
        new = folder_with(tmp_path / RENEWED, "new")
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt), locked(tmp_path / ".lock"):
            if killed_at == "rmtree":
                patch.setattr(shutil, "rmtree", interrupt)
            if killed_at == "second":
                patch.setattr(type(new), "rename", rename_once(type(new).rename))
            swap(folder)
            raise KeyboardInterrupt
        with alone(folder):
            assert (folder / "shard").read_text() == "new"
            assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "2.0.0"]


def interrupt(*_):
    raise KeyboardInterrupt


def rename_once(rename):
    count = 0

    def renamed(path, target):
        nonlocal count
        count += 1
        if count == 2:
            raise KeyboardInterrupt
        return rename(path, target)

    return renamed


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_message_however_it_was_wrapped(tmp_path, number):
    message = r"the disk is full: .* free in .*; make room, and the same command goes on, or name another `data_dir`"
    with pytest.raises(InputError, match=message), alone(tmp_path / "2.0.0"):
        try:
            raise OSError(number, "No room")
        except OSError as error:
            raise OSError("TFDS's own words") from error
    with pytest.raises(InputError, match="the disk is full"), alone(tmp_path / "2.0.0"):
        raise RuntimeError("RESOURCE_EXHAUSTED: write() failed: No space left on device")


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    message = r"cannot be written to .*Read-only.*; name another `data_dir`"
    with pytest.raises(InputError, match=message), alone(tmp_path / "2.0.0"):
        raise OSError(errno.EROFS, "Read-only file system", "x")
    with pytest.raises(FileNotFoundError), alone(tmp_path / "2.0.0"):
        raise FileNotFoundError(2, "No such file or directory", "x")
    with pytest.raises(RuntimeError, match=r"^anything"), alone(tmp_path / "2.0.0"):
        raise RuntimeError("anything")


def test_the_limit_of_a_file_counts_as_a_full_disk(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(InputError, match="the disk is full"), alone(tmp_path / "2.0.0"):
            (tmp_path / "large").write_bytes(bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
