"""The test clips of one video, whether it comes from a prepared data set or from a file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int, UInt8

from r3d_jax.video.clips import ClipSpec, eval_clips, shown_at_rate
from r3d_jax.video.decode import PacketIndex
from r3d_jax.video.pixels import read_whole
from r3d_jax.video.probe import VideoInfo, probe
from r3d_jax.video.transforms import cutter

Views = UInt8[np.ndarray, "view time height width channel"]


class Video(NamedTuple):
    """A video's bytes, where its frames are in them, and what is known of it."""

    data: bytes
    packet_index: PacketIndex
    info: VideoInfo


def open_video_file(path: Path) -> Video:
    """The video in the file `path`, every frame of it decoded once to find out where they are.

    Raises:
      ValueError: not a video that can be read; the message is the reason.
      OSError: no file that can be read.
    """
    return open_bytes(path.read_bytes())


def open_bytes(data: bytes, **options: Any) -> Video:
    """The video in a file's bytes; `options` are `probe`'s.

    Raises:
      ValueError: not a video that can be read; the message is the reason.
    """
    if not data:
        raise ValueError("empty")
    info, packet_index = probe(data, **options)
    return Video(data, packet_index, info)


def moments(video: Video, frame_rate: float) -> Int[np.ndarray, "moment"]:
    """The frame behind each moment that a clip may be made of."""
    return shown_at_rate(video.packet_index.seconds, frame_rate) if frame_rate else np.arange(video.info.num_frames)


def read_views(video: Video, clip: ClipSpec) -> UInt8[np.ndarray, "crop_view time height width channel"]:
    """The evenly spaced clips of whole frames, or of each of their crops, that an opened video is tested on.

    Raises:
      ValueError: a frame cannot be had; the message is the reason.
    """
    shown = moments(video, clip.frame_rate)
    indices = shown[eval_clips(len(shown), views=clip.views, frames=clip.frames, stride=clip.stride)]
    return crops_of(read_whole(*video, indices, size=clip.test_size), cutter(clip.crops, clip.crop))


def read_clips(path: str | Path, clip: ClipSpec) -> UInt8[np.ndarray, "crop_view time height width channel"]:
    """The clips that the video in the file `path` is tested on: RGB pixels, `clip.views` evenly spaced ones.

    With an axis in front they are what `predict_fn` takes. Only clips of videos of one frame size can be stacked.

    Raises:
      ValueError: not a video that can be read; the message is the reason.
      OSError: no file that can be read.
    """
    return read_views(open_video_file(Path(path).expanduser()), clip)


def crops_of(clips: Views, cut: Callable | None) -> UInt8[np.ndarray, "crop_view time height2 width2 channel"]:
    """`clips` as they are, or each crop that a `cut` makes of them: all views of the first crop come first."""
    if not cut:
        return clips
    crops = cut(clips)
    return crops.reshape(-1, *crops.shape[2:])
