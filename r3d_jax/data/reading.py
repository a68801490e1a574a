"""One prepared video, read; and what is done where it cannot be."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8

from r3d_jax.data.builder import VideoSet
from r3d_jax.data.records import packet_index_of
from r3d_jax.errors import InputError
from r3d_jax.video.probe import VideoInfo
from r3d_jax.video.views import Video

TRIES = 10  # videos of a class, before a clip is given up
FAILURES = (ValueError, OSError, RuntimeError)  # of decoding, of the disk, of a damaged ArrayRecord
REASON = 160  # bytes that a reason may have in a batch


def open_video(videos: VideoSet, row: int) -> Video:
    """Reads one record: a video's bytes and what its preparation found out about it; no frame is decoded.

    Args:
      row: of the data set's index.

    Raises:
      OSError: the disk fails.
      RuntimeError: the record is damaged.
    """
    record = videos.records[int(row)]
    info = VideoInfo(*(videos.index[field][row].item() for field in VideoInfo._fields))
    return Video(record["video"], packet_index_of(record), info)


def pack_reason(reason: str) -> UInt8[np.ndarray, "byte"]:
    """A text as an array of REASON bytes, so that a batch holds arrays alone and any `jax.jit` takes it.

    What is longer as UTF-8 is cut after the last full letter that has room.
    """
    text = reason.encode()[:REASON].decode(errors="ignore").encode()  # no half of a letter
    return np.frombuffer(text.ljust(REASON, b"\0"), np.uint8)


def reason_of_row(packed: UInt8[np.ndarray, "byte"]) -> str:
    """Turns one row of a batch's `reason` or `missing` back into text; empty: nothing was wrong with the video."""
    return bytes(packed).rstrip(b"\0").decode()


def read_twice(read: Callable, *arguments: Any) -> Any:
    """Returns `read(*arguments)`, tried once more where it fails: disks and networks have bad moments.

    Raises:
      ValueError: the second try fails too, as do an OSError or a RuntimeError; any other error is raised at once.
    """
    try:
        return read(*arguments)
    except FAILURES:
        return read(*arguments)


def label_of(videos: VideoSet, row: int) -> Int[np.ndarray, ""] | UInt8[np.ndarray, "class"]:
    """The label of a video as batches have it: int32, the number of its class; of several, uint8, 0 or 1 for each."""
    label = videos.index["label"][row]
    return label if videos.multi_label else np.array(label, np.int32)


def read_or_replace(
    videos: VideoSet, rows: Int[np.ndarray, "video"], row: int, seeds: list[int], read: Callable
) -> tuple[Any, int, str]:
    """Reads the video of `row`, or where that fails another of its class, so that labels stay as they were drawn.

    Where videos have several labels, the one whose labels are most alike takes its place.

    Args:
      rows: of the data set's index; the videos that may take its place.
      seeds: of the generator that `read` gets; those that may take its place are drawn by them too.
      read: (Video, generator) -> what is made of it; a ValueError, OSError or RuntimeError is a failure.

    Returns:
      What was read, the row that it is of, and why `row` could not be (empty: it could).

    Raises:
      InputError: none of TRIES videos of the class can be read.
    """

    def read_row(row, seeds):
        return read(open_video(videos, row), np.random.default_rng(seeds))

    try:
        return read_twice(read_row, row, seeds), row, ""
    except FAILURES as error:
        reason = str(error) or type(error).__name__
    others = _alike(videos, rows, row, np.random.default_rng([*seeds, 1]))[: TRIES - 1]
    for other in others:
        try:
            return read_twice(read_row, int(other), [*seeds, 1]), int(other), reason
        except FAILURES:
            continue
    raise InputError(
        f"video {videos.index['name'][row]}: {reason}; nor can any of {len(others)} others of its class be read; "
        "prepare the data set again from a sound copy"
    )


def _alike(videos, rows, row, rng):
    """The other videos of the class of `row` in random order or, of several labels, all: first those most alike."""
    label = videos.index["label"]
    if not videos.multi_label:
        return rng.permutation(rows[(label[rows] == label[row]) & (rows != row)])
    others = rng.permutation(rows[rows != row])
    return others[np.argsort((label[others] != label[row]).sum(1), kind="stable")]
