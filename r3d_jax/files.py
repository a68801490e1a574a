"""Files that are written whole or not at all, and that never take the place of one that nobody gave up."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from r3d_jax.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


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
