"""Files that are written whole or not at all, folders that one process has to itself, and disks that are full."""

import errno
import os
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from r3d_jax.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # of a disk, a quota, and a limit on one file
LOCK = ".lock"


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A new, empty file beside `path`, to be filled in the `with` block; at its end it takes the place of `path`.

    If the block raises, the new file is removed and `path` stays as it was. The new file has a name that was free, so
    that nothing of the user's can be lost, and the rights that `open` gives. Folders above `path` are made. An example:

        with whole(Path("numbers.csv")) as unfinished:
            unfinished.write_text(table())

    Raises:
      OSError: the folder cannot be made or written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    unfinished.open("xb").close()  # "x": never a file that is there already
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes `text` to `path` as UTF-8, whole or not at all; a file that is there is replaced.

    Raises:
      OSError: the folder cannot be made or written to.
    """
    with whole(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def refuse_existing(path: Path) -> None:
    """Refuses a path at which there is something already: results never replace what a user has.

    Raises:
      InputError: there is a file or a folder at `path`.
    """
    if path.exists():
        raise InputError(f"{path} is there already; name another file, or move it away")


@contextmanager
def locked(path: Path, waiting: str = "") -> Iterator[None]:
    """Waits until no other process is in such a block for the same `path`, a file that is made and stays empty.

    Where the system has no such locks (Windows), nobody waits.

    Args:
      path: of the file.
      waiting: is printed where another process is in its block.

    Raises:
      OSError: the folder cannot be made or written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        if fcntl:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if waiting:
                    print(waiting, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)  # given back when the file is closed, however the process ends
        yield


@contextmanager
def occupied(folder: Path) -> Iterator[bool]:
    """Keeps `folder` for this process in the `with` block, and refuses at once where another process has it.

    The operating system frees it when the process ends, however it does. It is made where there is none, and removed
    again if nothing has been put into it.

    Yields:
      Whether others are kept out; not where the system (Windows) or the file system has no locks.

    Raises:
      InputError: another process has the folder, or it cannot be written to.
    """
    made = not folder.exists()
    try:
        file, kept = _take(folder)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written to ({error.strerror}); see to its rights, or name another folder"
        ) from error
    with file:
        try:
            yield kept
        finally:
            if kept:
                (folder / LOCK).unlink(missing_ok=True)
            if made and not any(folder.iterdir()):
                folder.rmdir()


def _take(folder):
    """The open and locked file of a folder, and whether it is locked."""
    path = folder / LOCK
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with file:
                file.seek(0)
                holder = file.read(200).strip() or "another process"
            raise InputError(
                f"{folder} is in use by {holder}; wait for its end, or end it, or name another folder"
            ) from None
        except OSError:  # no locks in this file system
            return file, False
        if _is_at(path, file):
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()} since {time.strftime('%Y-%m-%d %H:%M:%S')}")
            file.flush()
            return file, fcntl is not None
        file.close()  # its holder has removed it since it was opened


def _is_at(path, file):
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def shortage(folder: Path, needed: int, what: str) -> str:
    """In what the disk of `folder`, which need not be there yet, is too small; empty where it is not.

    Args:
      needed: bytes.
      what: that needs them, as in "preparing 1,000 videos".
    """
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if (free := shutil.disk_usage(there).free) >= needed:
        return ""
    return f"{what} needs about {mebibytes(needed)} in {folder}, and {mebibytes(free)} are free"


def check_free(folder: Path, needed: int, what: str) -> None:
    """Refuses what would not fit on the disk of `folder`, which need not be there yet.

    Args:
      needed: bytes.
      what: that needs them, as in "preparing 1,000 videos".

    Raises:
      InputError: less than that is free.
    """
    if lacking := shortage(folder, needed, what):
        raise InputError(f"{lacking}; make room, or name another folder")


@contextmanager
def told_when_full(folder: Path, needed: int, what: str) -> Iterator[None]:
    """Turns an error of the block that comes from a full disk into one message.

    Args:
      folder: that the block writes to.
      needed: bytes of what it writes at a time, for the message.
      what: that needs them, as in "a checkpoint".

    Raises:
      InputError: the disk or a quota is full, or a file has reached the process's limit.
    """
    try:
        yield
    except Exception as error:
        if not (reason := why_full(error)):
            raise
        free = mebibytes(shutil.disk_usage(folder).free)
        raise InputError(
            f"{folder}: {reason}; {what} needs {mebibytes(needed)}, and {free} are free; make room (or raise the "
            "limit), and the same command goes on"
        ) from error


def why_full(error: BaseException | None) -> str:
    """What the system says where `error`, or one that it comes from, is of a full disk; empty where it is not."""
    for each in causes(error):
        for number in FULL:
            # Libraries in other languages hand on the text alone.
            if getattr(each, "errno", None) == number or os.strerror(number) in str(each):
                return os.strerror(number)
    return ""


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and those that it comes from, from the last to the first; of None nothing."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def mebibytes(count: int) -> str:
    """A number of bytes as a message gives it."""
    return f"{count / 2**20:,.1f} MiB"
