"""The test clips of one video, whether it comes from a prepared data set or from a file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int, UInt8

from r3d_jax.data.clips import shown_at_rate, test_clips
from r3d_jax.data.decode import Layout
from r3d_jax.data.pixels import read_whole
from r3d_jax.data.probe import VideoInfo, probe

Views = UInt8[np.ndarray, "view time height width channel"]


class Video(NamedTuple):
    """A video's bytes, where its frames are in them, and what is known of it."""

    data: bytes
    layout: Layout
    info: VideoInfo


def open_video_file(path: Path) -> Video:
    """A video of one's own.

    Raises:
      ValueError, OSError: it cannot be read; the message is the reason.
    """
    return open_bytes(path.read_bytes())


def open_bytes(data: bytes, **options: Any) -> Video:
    """The same of a file's bytes; `options` are `probe`'s."""
    if not data:
        raise ValueError("empty")
    info, layout = probe(data, **options)
    return Video(data, layout, info)


def moments(video: Video, frame_rate: float) -> Int[np.ndarray, "moment"]:
    """The frame behind each moment that a clip may be made of."""
    return shown_at_rate(video.layout.seconds, frame_rate) if frame_rate else np.arange(video.info.num_frames)


def read_views(
    video: Video,
    *,
    views: int,
    frames: int,
    stride: int,
    frame_rate: float = 0.0,
    size: int,
    cut: Callable | None = None,
) -> UInt8[np.ndarray, "crop_view time height width channel"]:
    """`views` evenly spaced clips of the whole frame, its short edge at `size`, or of each crop that `cut` makes of it.

    Raises:
      ValueError: a frame cannot be had; the message is the reason.
    """
    shown = moments(video, frame_rate)
    indices = shown[test_clips(len(shown), views=views, frames=frames, stride=stride)]
    return crops_of(read_whole(*video, indices, size=size), cut)


def crops_of(clips: Views, cut: Callable | None) -> UInt8[np.ndarray, "crop_view time height2 width2 channel"]:
    """The clips as they are, or [crop x view, time, ...]."""
    if not cut:
        return clips
    crops = cut(clips)
    return crops.reshape(-1, *crops.shape[2:])
