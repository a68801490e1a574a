"""Which videos a command line means."""

import glob
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from r3d_jax.errors import InputError
from r3d_jax.video.folder import CALLED, videos_in


class Named(NamedTuple):
    """A file that the command line names as a video, and why it cannot be one (empty: it may be)."""

    path: Path
    reason: str = ""


def named_videos(arguments: Iterable[str]) -> list[Named]:
    """The videos that `arguments` mean, each once: files, what is below folders, and what matches patterns.

    Args:
      arguments: names and patterns, with `~` for the user's home; "-" stands for the lines of standard input.

    Raises:
      InputError: nothing at all is named.
    """
    lines = (line.rstrip("\n") for argument in arguments for line in (sys.stdin if argument == "-" else [argument]))
    found = [named for line in lines if line.strip() for named in _meant_by(line)]
    if not found:
        raise InputError("no video named; name files, folders or patterns, or - for a list of them on standard input")
    return list(dict.fromkeys(found))


def lines_of(path: Path) -> list[str]:
    """The lines of a file that lists videos.

    Raises:
      InputError: it is no text in UTF-8.
      OSError: there is no such file, or it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no list of videos, one a line: {error}") from error


def _meant_by(argument) -> Iterator[Named]:
    path = Path(argument).expanduser()
    if path.is_dir():
        inside = videos_in(path)
        yield from map(Named, inside) if inside else [Named(path, f"no video in it ({CALLED})")]
    elif path.exists():
        yield Named(path)
    elif matched := sorted(glob.glob(str(path), recursive=True)):
        for each in map(Path, matched):
            yield from map(Named, videos_in(each)) if each.is_dir() else [Named(each)]
    else:
        yield Named(path, "no such file" + (", and nothing matches the pattern" if glob.has_magic(str(path)) else ""))
