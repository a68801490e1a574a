"""What is read of one video to make a response of: its clips, and when they are shown. Needs no JAX."""

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from r3d_jax.video.clips import ClipSpec, eval_clips
from r3d_jax.video.decode import video_stream
from r3d_jax.video.views import Views, moments, open_bytes, read_views

POINTS = 30  # of a timeline, at most; with the ten views of a video 40 clips
OBLONG = 4  # the longest edge that is taken, over the shortest: memory goes with it
FRAME_PIXELS = 2**24  # of one frame: 5312x2988 is below; with those that a decoder keeps, half of its memory
VIDEO_PIXELS = 2**34  # of all frames together: nine minutes of 1280x720, which one core decodes in half a minute


class Question(NamedTuple):
    """What is to be found out about one video: its clips, and when they are shown.

    Attributes:
      views: the clips that the video would be tested on.
      along: clips of whole frames along the video, at most POINTS; none where its course over time is not asked for.
      view_seconds, along_seconds: the middle of each clip in time, in seconds; of views for each crop again.
      frames: how many frames the video has.
      seconds: when its last frame is shown, in seconds from the first.
    """

    views: Views
    along: Views
    view_seconds: Float[np.ndarray, "view"]
    along_seconds: Float[np.ndarray, "point"]
    frames: int
    seconds: float


def ask(data: bytes, clip: ClipSpec, *, timeline: bool) -> Question:
    """Reads the clips of a video that a response is made of.

    Args:
      data: the file's bytes.
      clip: what the network is tested with: number, length and size of the clips.
      timeline: whether the video's course over time is asked for.

    Raises:
      ValueError: a video that cannot be read, whose frames are too large or too oblong, or which has too many of them;
        the message is the reason.
    """
    video = _opened(data)
    height, width = video.info.height, video.info.width
    if max(height, width) > OBLONG * min(height, width):
        raise ValueError(f"its frames are {width}x{height}: one edge is more than {OBLONG} times the other")
    shown = moments(video, clip.frame_rate)
    points = min(POINTS, math.ceil(2 * len(shown) / (clip.frames * clip.stride))) if timeline else 0
    views = read_views(video, clip)
    along = read_views(video, replace(clip, crops=1, views=points)) if points else views[:0]

    def middles(count):
        clips = eval_clips(len(shown), views=count, frames=clip.frames, stride=clip.stride)
        return video.packet_index.seconds[shown[clips]].mean(1)

    return Question(
        views=views,
        along=along,
        view_seconds=np.tile(middles(clip.views), clip.crops),
        along_seconds=middles(points) if points else np.zeros(0),
        frames=video.info.num_frames,
        seconds=float(video.packet_index.seconds[-1]),
    )


class _TooLong(Exception):
    """No ValueError, after which `open_bytes` would try again."""


def _opened(data):
    if not data:
        raise ValueError("empty")
    with video_stream(data) as (_, stream):
        width, height = stream.codec_context.width, stream.codec_context.height
    pixels = max(width * height, 1)
    if pixels > FRAME_PIXELS:
        raise ValueError(
            f"its frames are {width}x{height}, more than {FRAME_PIXELS / 1e6:.1f} million pixels; send smaller frames"
        )
    left = VIDEO_PIXELS // pixels + 1  # packets; the last one is empty

    def each():
        nonlocal left
        left -= 1
        if left < 0:
            raise _TooLong

    try:
        return open_bytes(data, each=each)
    except _TooLong:
        raise ValueError(
            f"decoding it makes more than {VIDEO_PIXELS / 1e9:.3g} billion pixels, {width}x{height} at a time; send a "
            "part of it, or smaller frames"
        ) from None
