"""One random clip of a video: which of its frames, what they show, and what else is done to it."""

from collections.abc import Callable

import numpy as np
from jaxtyping import UInt8

from r3d_jax.video.clips import ClipSpec, train_clip
from r3d_jax.video.pixels import read_window
from r3d_jax.video.transforms import draw_crop_window, draw_resized_window
from r3d_jax.video.views import Video, moments


def read_random_clip(
    video: Video,
    rng: np.random.Generator,
    *,
    clip: ClipSpec,
    strides: tuple[int, ...] = (),
    area: tuple[float, ...] = (),
    aspect: tuple[float, float] = (3 / 4, 4 / 3),
    augment: Callable | None = None,
) -> UInt8[np.ndarray, "time crop crop channel"]:
    """Reads a clip of a video for training; all frames show the same place.

    Args:
      clip: how many frames it has, and how they are cut.
      strides: first and last of the strides that are drawn; empty: the clip's own.
      area, aspect: of random resized crops, as `draw_resized_window` takes them; no area: the short edge is drawn from
        `clip.train_sizes`, and the square cut out.
      augment: (uint8 clip, generator) -> a clip like it.

    Raises:
      ValueError: a frame cannot be had; the message is the reason.
    """
    first, last = strides or (clip.stride, clip.stride)
    stride = int(rng.integers(first, last + 1))
    shown = moments(video, clip.frame_rate)
    indices = shown[train_clip(len(shown), rng, frames=clip.frames, stride=stride)]
    pixels = read_window(*video, indices, _draw_window(video, rng, clip, area, aspect))
    return augment(pixels, rng) if augment else pixels


def _draw_window(video, rng, clip, area, aspect):
    if not area:
        return draw_crop_window(rng, sizes=clip.train_sizes, crop=clip.crop, flip=clip.flip)
    size = video.info.height, video.info.width
    if video.packet_index.turn % 2:  # windows are of frames as they are stored, not yet turned
        size, aspect = size[::-1], (1 / aspect[1], 1 / aspect[0])
    return draw_resized_window(rng, size=size, area=area, aspect=aspect, crop=clip.crop, flip=clip.flip)
