"""One prepared video, read; and what is done where it cannot be."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8

from r3d_jax.data.builder import VideoSet, packet_index_of
from r3d_jax.errors import InputError
from r3d_jax.video.probe import VideoInfo
from r3d_jax.video.views import Video

TRIES = 10  # videos of a class, before a clip is given up
FAILURES = (ValueError, OSError, RuntimeError)  # of decoding, of the disk, of a damaged ArrayRecord


def open_video(videos: VideoSet, row: int) -> Video:
    """The video of `row`. Raises one of FAILURES where its record cannot be read."""
    record = videos.records[int(row)]
    info = VideoInfo(*(videos.index[field][row].item() for field in VideoInfo._fields))
    return Video(record["video"], packet_index_of(record), info)


REASON = 160  # bytes that a reason may have in a batch


def pack_reason(reason: str) -> UInt8[np.ndarray, "byte"]:
    """`reason` as an array of REASON bytes, so that a batch holds arrays alone and any `jax.jit` takes it."""
    text = reason.encode()[:REASON].decode(errors="ignore").encode()  # no half of a letter
    return np.frombuffer(text.ljust(REASON, b"\0"), np.uint8)


def reason_of_row(packed: UInt8[np.ndarray, "byte"]) -> str:
    """The text that `pack_reason` has packed; empty: nothing was wrong."""
    return bytes(packed).rstrip(b"\0").decode()


def read_twice(read: Callable, *arguments: Any) -> Any:
    """`read(*arguments)`, once more where it fails: disks and networks have bad moments."""
    try:
        return read(*arguments)
    except FAILURES:
        return read(*arguments)


def read_or_replace(
    videos: VideoSet, rows: Int[np.ndarray, "video"], row: int, seeds: list[int], read: Callable
) -> tuple[Any, str]:
    """`read(video, generator)` of `row`, or where that fails of another of the `rows` of its class, drawn by `seeds`.

    Returns what was read and why `row` could not be (empty: it could).

    Raises:
      InputError: none of TRIES videos of the class can be read.
    """

    def read_row(row, seeds):
        return read(open_video(videos, row), np.random.default_rng(seeds))

    try:
        return read_twice(read_row, row, seeds), ""
    except FAILURES as error:
        reason = str(error)
    alike = rows[(videos.index["label"][rows] == videos.index["label"][row]) & (rows != row)]
    others = np.random.default_rng([*seeds, 1]).permutation(alike)[: TRIES - 1]
    for other in others:
        try:
            return read_twice(read_row, int(other), [*seeds, 1]), reason
        except FAILURES:
            continue
    raise InputError(
        f"video {videos.index['name'][row]}: {reason}; nor can any of {len(others)} others of its class be read; "
        "prepare the data set again from a sound copy"
    )
