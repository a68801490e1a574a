"""What a data set was prepared from: each file's size, time and digest, and what has changed of them since."""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from r3d_jax.files import write_text
from r3d_jax.parallel import in_order

_hash = partial(hashlib.blake2b, digest_size=16)
ORIGIN = "origin.json"  # in a prepared folder: what it was prepared from
NAMED = 5  # of many files or classes in a message


class Stamp(NamedTuple):
    """By what a file is known again.

    Attributes:
      size: in bytes.
      time: of its last modification, in nanoseconds.
      digest: of its content, as `digest_of` gives it.
    """

    size: int
    time: int
    digest: str


class Origin(NamedTuple):
    """What a data set was prepared from.

    Attributes:
      files: {path: its stamp}, of videos, split files and archives.
      videos: the digest of the video behind each row of the data set's index.
    """

    files: dict[str, Stamp]
    videos: list[str]


def digest_of(data: bytes) -> str:
    """A file's content as 32 hexadecimal digits of BLAKE2b."""
    return _hash(data).hexdigest()


def stamp(path: Path) -> Stamp:
    """The stamp of the file at `path`, which is read for it.

    Raises:
      OSError: there is no such file, or it cannot be read.
    """
    return stamps_of({path: path.stat()}, {})[str(path)]  # what is written after `stat` has another time


def stamps_of(before: dict[Path, os.stat_result], digests: dict[Path | None, str]) -> dict[str, Stamp]:
    """The stamps of files, of which those are read whose digest is not known.

    Args:
      before: what `stat` has told of them before they were read.
      digests: of those that have been read.

    Raises:
      OSError: a file cannot be read.
    """
    found = {}
    for path, status in before.items():
        digest = digests.get(path)
        if not digest:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, _hash).hexdigest()
        found[str(path)] = Stamp(status.st_size, status.st_mtime_ns, digest)
    return found


def changes(path: Path, files: Sequence[Path], folder: Path) -> str:
    """In a few words, which of `files` are not as `write_origin` has written to `path`; empty: none, or none is known.

    The times of those that have merely been touched are brought up to date there.

    Args:
      folder: names of files in it are given relative to it.
    """
    origin = read_origin(path)
    if origin is None:
        return ""
    found, stamps = compare(origin.files, files)
    if stamps != origin.files and not found:
        with suppress(OSError):  # where it cannot be written, the files are read once more the next time
            write_origin(path, origin._replace(files=stamps))
    return describe(found, folder)


def compare(before: dict[str, Stamp], files: Sequence[Path]) -> tuple[dict[str, list[str]], dict[str, Stamp]]:
    """Finds out which files are not as they were.

    Only a file whose size is the same and whose time is another is read: one that has merely been touched or copied
    has the digest that it had.

    Args:
      before: {path: its stamp}.
      files: those that are there now.

    Returns:
      {"changed", "new" and "gone": the paths, where there are any}, and `before` with the times of today.
    """
    now = {str(path): path for path in files if path.exists()}
    sure, unsure = set(), []
    for name, path in now.items():
        if name in before and path.stat().st_size == before[name].size:
            (sure.add if path.stat().st_mtime_ns == before[name].time else unsure.append)(name)
    stamps = dict(zip(unsure, in_order(lambda name: stamp(now[name]), unsure, label="Comparing files", leave=False)))
    sure |= {name for name, each in stamps.items() if each.digest == before[name].digest}
    found = {
        "changed": [name for name in now if name in before and name not in sure],
        "new": [name for name in now if name not in before],
        "gone": [name for name in before if name not in now],
    }
    return {what: names for what, names in found.items() if names}, before | {
        name: each for name, each in stamps.items() if name in sure
    }


def describe(found: dict[str, list[str]], folder: Path) -> str:
    """What `compare` has found, in a few words; names of files in `folder` are given relative to it."""

    def short(name):
        return str(Path(name).relative_to(folder) if Path(name).is_relative_to(folder) else name)

    return "; ".join(f"{what}: {some(map(short, names))}" for what, names in found.items())


def some(names: Iterable[str]) -> str:
    """The first NAMED of the names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(map(str, names[:NAMED])) + more


def write_origin(path: Path, origin: Origin) -> None:
    """Writes what a data set was prepared from, for `read_origin`.

    Raises:
      OSError: the folder cannot be written to.
    """
    write_text(path, json.dumps({"files": origin.files, "videos": origin.videos}) + "\n")


def read_origin(path: Path) -> Origin | None:
    """What a data set was prepared from; None where an earlier version has prepared it, which did not write that."""
    if not path.exists():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    return Origin({name: Stamp(*each) for name, each in content["files"].items()}, content["videos"])
