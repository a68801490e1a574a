"""The test clips of one video, whether it comes from a prepared data set or from a file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from r3d_jax.video.clips import ClipSpec, eval_clips, shown_at_rate
from r3d_jax.video.decode import PacketIndex
from r3d_jax.video.pixels import read_whole
from r3d_jax.video.probe import VideoInfo, probe
from r3d_jax.video.transforms import cutter

Views = UInt8[np.ndarray, "view time height width channel"]


class Video(NamedTuple):
    """A video that is ready to be read at any frame.

    Attributes:
      data: the file's bytes.
      packet_index: where the frames are in them.
      info: number of frames, frame rate and size.
    """

    data: bytes
    packet_index: PacketIndex
    info: VideoInfo


def open_video_file(path: Path) -> Video:
    """Opens the video in the file `path`: every frame of it is decoded once to find out where they are.

    Raises:
      ValueError: it is not a video that can be read; the message is the reason.
      OSError: the file cannot be read.
    """
    return open_bytes(path.read_bytes())


def open_bytes(data: bytes, **options: Any) -> Video:
    """Opens the video in a file's bytes: every frame of it is decoded once to find out where they are.

    Args:
      options: `each`, as `probe` takes it.

    Raises:
      ValueError: it is not a video that can be read; the message is the reason.
    """
    if not data:
        raise ValueError("empty")
    info, packet_index = probe(data, **options)
    return Video(data, packet_index, info)


def moments(video: Video, frame_rate: float) -> Int[np.ndarray, "moment"]:
    """The number of the frame behind each moment that a clip may be made of.

    Args:
      frame_rate: moments a second, to which the video is brought by its time stamps; 0: each frame is one.
    """
    return shown_at_rate(video.packet_index.seconds, frame_rate) if frame_rate else np.arange(video.info.num_frames)


def read_views(video: Video, clip: ClipSpec) -> UInt8[np.ndarray, "crop_view time height width channel"]:
    """Reads the evenly spaced clips of whole frames, or of each of their crops, that an opened video is tested on.

    Raises:
      ValueError: a frame cannot be had; the message is the reason.
    """
    shown = moments(video, clip.frame_rate)
    indices = shown[eval_clips(len(shown), views=clip.views, frames=clip.frames, stride=clip.stride)]
    return crops_of(read_whole(*video, indices, size=clip.test_size), cutter(clip))


def view_seconds(video: Video, clip: ClipSpec) -> Float[np.ndarray, "crop_view"]:
    """When each of the clips that `read_views` reads begins, in seconds from the video's first frame."""
    shown = moments(video, clip.frame_rate)
    firsts = eval_clips(len(shown), views=clip.views, frames=clip.frames, stride=clip.stride)[:, 0]
    return np.tile(video.packet_index.seconds[shown[firsts]], clip.crops)


def read_clips(path: str | Path, clip: ClipSpec) -> UInt8[np.ndarray, "crop_view time height width channel"]:
    """Reads the clips that the video in the file `path` is tested on: `clip.views` evenly spaced ones, in RGB.

    With an axis in front they are what `predict_fn` takes. Only clips of videos of one frame size can be stacked.

    Args:
      path: of a file that FFmpeg reads; `~` is the home folder.
      clip: how many frames a clip has, how many views a video, and how they are cut.

    Raises:
      ValueError: it is not a video that can be read; the message is the reason.
      OSError: the file cannot be read.
    """
    return read_views(open_video_file(Path(path).expanduser()), clip)


def crops_of(clips: Views, cut: Callable | None) -> UInt8[np.ndarray, "crop_view time height2 width2 channel"]:
    """Cuts crops from the clips of a video: all views of the first crop come first.

    Args:
      cut: as `transforms.cutter` gives it; None: the clips are returned as they are.
    """
    if not cut:
        return clips
    crops = cut(clips)
    return crops.reshape(-1, *crops.shape[2:])
