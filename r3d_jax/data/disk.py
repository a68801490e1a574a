"""The folder that a data set is prepared in: one process at a time, room for it, and nothing left behind."""

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from r3d_jax.data.kept import KEPT, count_kept
from r3d_jax.errors import InputError
from r3d_jax.files import LOCK, causes, locked, mebibytes, why_full

RENEWED = "renewed"  # folder beside a prepared data set, which is to take its place
UNFINISHED = "incomplete."  # with which the names of TFDS's own folders begin until they are whole
NOT_OURS = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def alone(folder: Path, needed: Callable[[], int] = lambda: 0) -> Iterator[None]:
    """The right to prepare `folder` in the `with` block, once no other process does; it begins with a clean place.

    The operating system takes the right back however a process ends, so that what lies about unfinished beside
    `folder` is nobody's: what is kept of videos is taken up, the rest removed, and both told. Once the block has come
    to its end, nothing is kept any more.

    Args:
      folder: that is to be prepared.
      needed: tells, once the disk is full, about how many bytes all of it needs; 0: nobody knows.

    Raises:
      InputError: the disk is full, or cannot be written to.
    """
    try:
        with locked(folder.parent / LOCK, waiting=f"Another process prepares {folder}; waiting for it"):
            _clear(folder)
            yield
            shutil.rmtree(kept_beside(folder), ignore_errors=True)
    except (OSError, RuntimeError) as error:
        if refusal := _refusal(error, folder.parent, needed()):
            raise InputError(refusal) from error
        raise


def kept_beside(folder: Path) -> Path:
    """Where what has been made of videos is kept until `folder` is prepared."""
    return folder.with_name(KEPT)


def clear_kept(folder: Path) -> None:
    """Removes what is still kept of videos beside a prepared `folder`, where a process was killed at its very end."""
    if kept_beside(folder).exists():
        with suppress(OSError), locked(folder.parent / LOCK):
            shutil.rmtree(kept_beside(folder), ignore_errors=True)


def swap(folder: Path) -> None:
    """Puts the folder RENEWED in the place of `folder`, within `alone`; killed in between, `alone` ends it later.

    Raises:
      OSError: it cannot be renamed.
    """
    old = folder.with_name(f"{UNFINISHED}replaced")
    folder.rename(old)
    folder.with_name(RENEWED).rename(folder)
    shutil.rmtree(old)


def _clear(folder):
    renewed = folder.with_name(RENEWED)
    if renewed.exists() and not folder.exists():  # killed while the two were swapped
        renewed.rename(folder)
    left = [path for path in [renewed, *folder.parent.glob(f"{UNFINISHED}*")] if path.exists()]
    for path in left:
        shutil.rmtree(path)
    if count := count_kept(kept_beside(folder)):
        print(
            f"Going on with {count:,} videos that a process which ended early has prepared in {folder.parent}",
            flush=True,
        )
    elif left:
        print(f"Removed {', '.join(path.name for path in left)} in {folder.parent}, left by a process that ended early")


def _refusal(error, folder, needed):
    """What an error says in truth; empty: neither that the disk is full nor that it is not to be written to."""
    if why_full(error):
        needs = f"about {mebibytes(needed)} are needed, and " if needed else ""
        free = mebibytes(shutil.disk_usage(folder).free)
        return (
            f"the disk is full: {needs}{free} are free in {folder}, where the videos are prepared; what is "
            "done is kept; make room, and the same command goes on, or name another `data_dir`"
        )
    for each in causes(error):
        if getattr(each, "errno", None) in NOT_OURS:
            return f"{folder} cannot be written to ({each.strerror}); name another `data_dir`, or change its rights"
    return ""
