"""Which frames: pure index arithmetic."""

import numpy as np
from jaxtyping import Float, Int


def shown_at_rate(seconds: Float[np.ndarray, "frame"], rate: float) -> Int[np.ndarray, "tick"]:
    """The frame that is on the screen at each tick of `rate` a second, from the first frame's time to the last's."""
    ticks = np.arange(int(seconds[-1] * rate + 1e-6) + 1) / rate
    return np.searchsorted(seconds, ticks + 1e-6, side="right") - 1


def train_clip(num_frames: int, rng: np.random.Generator, *, frames: int, stride: int) -> Int[np.ndarray, "time"]:
    """Frame indices of one clip that starts anywhere it fits; a short video loops."""
    starts = max(1, num_frames - span(frames, stride) + 1)
    return _clip(rng.integers(starts), num_frames, frames, stride)


def test_clips(num_frames: int, *, views: int, frames: int, stride: int) -> Int[np.ndarray, "view time"]:
    """Frame indices of `views` evenly spaced clips, the first at the video's start, the last at its end."""
    starts = max(1, num_frames - span(frames, stride) + 1)
    firsts = np.floor(np.linspace(0, starts - 1, views)).astype(int)
    return np.stack([_clip(first, num_frames, frames, stride) for first in firsts])


def span(frames: int, stride: int) -> int:
    """How many frames of the video a clip reaches over."""
    return (frames - 1) * stride + 1


def _clip(first, num_frames, frames, stride):
    return (first + stride * np.arange(frames)) % num_frames
