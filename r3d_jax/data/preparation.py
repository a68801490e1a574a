"""One file made a record's content, and what is told of all files: which are missing, cut short or left out."""

import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from r3d_jax.data.kept import Prepared, keep, read_kept
from r3d_jax.data.sources import digest_of
from r3d_jax.errors import InputError
from r3d_jax.parallel import in_order
from r3d_jax.video.probe import probe
from r3d_jax.video.reencode import effect, reencode

CUT_SHORT = 0.9  # of the declared frames; that a few fail to decode is common
MEASURED = 16  # re-encoded videos whose effect is told
FEW = 3  # videos that may always fail, where any may


class VideoFile(NamedTuple):
    """One labelled video before it is prepared.

    Attributes:
      name: that stands for the video in messages and reports.
      label: number of its class; a tuple of them where videos have several labels.
      group: number of the recording that it was cut from; videos of one group must not be torn apart by a split.
      folds: for each fold one of `records.MEMBERSHIP`.
      read: returns the file's bytes.
      path: of the file; None where there is none.
    """

    name: str
    label: int | tuple[int, ...]
    group: int
    folds: tuple[str, ...]
    read: Callable[[], bytes]
    path: Path | None = None


def prepare(
    read: Callable[[], bytes],
    *,
    short_edge: int,
    key_every: int,
    measured: bool,
    stored: Mapping[str, Callable[[], Prepared]] = {},
    kept: Path | None = None,
) -> tuple[str, Prepared | str]:
    """What is stored of one video, or the reason why it cannot be decoded; no error of its file is raised.

    Args:
      read: returns the file's bytes.
      short_edge: in pixels, that the video is re-encoded at; 0: its bytes are kept.
      key_every: frames from one key frame to the next in a re-encoded video.
      measured: whether the effect of re-encoding is measured, which takes longer.
      stored: by the digests of files, what gives their content as it has been prepared before.
      kept: folder of what has been made of videos with the same settings; what is made now is kept there too.

    Returns:
      The digest of the file's bytes (empty: it cannot be read), and (bytes, VideoInfo, PacketIndex, Effect or None) or
      the reason.

    Raises:
      OSError: `kept` cannot be written to.
    """
    try:
        data = read()
    except (ValueError, OSError) as error:
        return "", str(error)
    digest = digest_of(data)
    if digest in stored:
        return digest, stored[digest]()
    found = read_kept(kept, digest, data) if kept else None
    if found is None:
        found = _prepare(data, short_edge, key_every, measured)
        if kept and not isinstance(found, str):  # what fails may have failed for want of memory
            keep(kept, digest, found, own_bytes=short_edge > 0)
    return digest, found


def prepare_all(
    files: Sequence[VideoFile],
    *,
    stored: Mapping[str, Callable[[], Prepared]],
    ahead: Callable[[Callable, list], None] | None,
    **how: Any,
) -> Iterator[tuple[str, Prepared | str]]:
    """What `prepare` gives for each of the files, in their order; threads work on some of them at once.

    Args:
      stored: as `prepare` takes it.
      ahead: calls a function with each of a list of items, in any order and by any processes: what `kept` is to have of
        the videos is made by it before the threads take it up. None: the threads do all.
      how: `short_edge`, `key_every` and `kept`, as `prepare` takes them.

    Raises:
      OSError: `kept` cannot be written to.
    """
    measured = set(np.linspace(0, len(files) - 1, MEASURED).astype(int).tolist())
    if ahead:
        items = [(file.read, i in measured) for i, file in enumerate(files)]
        ahead(partial(_prepare_ahead, known=frozenset(stored), how=how), items)

    def read(i):
        return prepare(files[i].read, **how, measured=i in measured, stored=stored)

    yield from in_order(read, range(len(files)), label="Preparing videos")


def _prepare_ahead(item, *, known, how):
    """Of a function that gives a file's bytes, and of whether it is measured: keeps what `prepare` then finds."""
    read, measured = item
    prepare(read, **how, measured=measured, stored=dict.fromkeys(known, lambda: None))


def _prepare(data, short_edge, key_every, measured):
    try:
        info, packet_index = probe(data)
        if not short_edge:
            return data, info, packet_index, None
        smaller = reencode(data, info, packet_index, short_edge=short_edge, key_every=key_every)
        found = effect((data, info, packet_index), smaller, short_edge=short_edge) if measured else None
        return *smaller, found
    except (ValueError, OSError) as error:
        return str(error)


def variant_of(source: Path, *settings: object) -> str:
    """A name for the preparation of `source` with `settings`, fit for a folder."""
    place = zlib.crc32("|".join(map(str, (source, *settings))).encode())
    return re.sub(r"[^\w.-]", "_", f"{source.name}-{place:08x}")


def report_missing(missing: int, total: int, listing: str, folder: Path) -> None:
    """Prints how many of the `total` videos of a `listing` are not in `folder`, if any.

    Raises:
      InputError: all of them are missing.
    """
    if missing == total:
        raise InputError(f"none of the {total:,} videos in the {listing} is in {folder}")
    if missing:
        print(f"{missing:,} of the {total:,} videos in the {listing} are not in {folder}", flush=True)


def most_broken(total: int, max_broken: float) -> float:
    """How many of `total` videos may fail: the part `max_broken`, from 0 to 1, and at least FEW, but of 0 none."""
    return max(max_broken * total, FEW) if max_broken else 0


def report_short(short: list[tuple[str, str]], total: int) -> None:
    """Prints which of the `total` videos are cut short, if any.

    Args:
      short: (name, how short) of each.
    """
    if short:
        print(f"{len(short)} of {total} videos are cut short, and kept:{_listing(short)}", flush=True)


def report_left_out(left_out: list[tuple[str, str]], total: int, max_broken: float) -> None:
    """Prints which of the `total` videos cannot be decoded, if any.

    Args:
      left_out: (name, reason) of each.
      max_broken: the share, from 0 to 1, that may fail, as `most_broken` counts it.

    Raises:
      InputError: more of them fail than may, or all.
    """
    listing = _listing(left_out)
    if len(left_out) == total:
        raise InputError(f"none of the {total} videos can be decoded:{listing}")
    if len(left_out) > (most := most_broken(total, max_broken)):
        raise InputError(
            f"{len(left_out)} of {total} videos cannot be decoded, more than the {int(most):,} that `max_broken` "
            f"(={max_broken:g}) allows; repair or remove them, or raise it:{listing}"
        )
    if left_out:
        print(f"{len(left_out)} of {total} videos cannot be decoded and are left out:{listing}", flush=True)


def _listing(rows):
    return "".join(f"\n  {name}: {reason}" for name, reason in rows)
