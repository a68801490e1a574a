"""Which frames of a video: what a clip is, and pure index arithmetic."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
from jaxtyping import Float, Int

from r3d_jax.settings import check_rules, check_settings, setting


@dataclass(slots=True)
class ClipSpec:
    """What a network sees of a video, in training and in testing.

    A clip has `frames` frames, every `stride`-th of the video's. A training clip is a random one: its frames are
    resized so that their short edge is drawn from `train_sizes`, and a random square of edge `crop` is cut out. A test
    video is shown as `views` evenly spaced clips of whole frames, the short edge at `test_size`, or of the `crops` that
    are cut from them. Sizes are in pixels.

    Raises:
      InputError: a value is of another type or out of its range.
    """

    frames: int = setting(8, "frames of a clip", low=1, high=10_000)
    stride: int = setting(1, "from one frame of a clip to the next, in frames of the video", low=1, high=10_000)
    frame_rate: float = setting(
        0.0,
        "frames a second that videos are brought to first, by their time stamps; 0: every frame counts",
        low=0,
        high=10_000,
    )
    train_sizes: tuple[int, int] = setting(
        (128, 160), "pixels of the short edge in training, drawn from first to last inclusive", low=1, high=10_000
    )
    crop: int = setting(112, "pixels of the edge of the square that is cut out in training", low=1, high=10_000)
    flip: float = setting(0.5, "probability of a horizontal flip in training")
    test_size: int = setting(
        128, "pixels of the short edge in testing, where the whole frame is seen", low=1, high=10_000
    )
    views: int = setting(10, "evenly spaced clips of a test video", low=1, high=10_000)
    crops: int = setting(
        1,
        "crops of each view: 1: the whole frame or the middle, 3: squares along the long edge, 10: corners, middle, "
        "mirror images",
        choices=(1, 3, 10),
    )
    test_crop: int = setting(
        0,
        "pixels of the edge of the square in the middle that one crop is, in testing; 0: the whole frame",
        low=0,
        high=10_000,
    )

    def __post_init__(self):
        check_settings(self, "clip")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The axes (time, height, width, channel) of an RGB training clip."""
        return self.frames, self.crop, self.crop, 3

    @property
    def span(self) -> int:
        """How many frames of the video a clip reaches over, from its first to its last."""
        return span(self.frames, self.stride)


MOST_PIXELS = 2**30  # of a clip: 64 frames of 4096 x 4096

CLIP_RULES = (
    (
        lambda c: c.clip.frames * max(*c.clip.train_sizes, c.clip.crop, c.clip.test_size) ** 2 <= MOST_PIXELS,
        "`clip.frames` (={c.clip.frames}) of `clip.train_sizes` (={c.clip.train_sizes}) or `clip.test_size` "
        "(={c.clip.test_size}) are more than 2**30 pixels; take fewer frames, or smaller ones",
    ),
    (
        lambda c: c.clip.crop <= c.clip.train_sizes[0] <= c.clip.train_sizes[1],
        "`clip.train_sizes` (={c.clip.train_sizes}) must rise from at least `clip.crop` (={c.clip.crop}): the crop is "
        "cut from a frame whose short edge is drawn from them",
    ),
    (lambda c: 0 <= c.clip.flip <= 1, "`clip.flip` (={c.clip.flip}) must be a probability, from 0 to 1"),
    (
        lambda c: c.clip.crops != 10 or c.clip.crop <= c.clip.test_size,
        "`clip.crop` (={c.clip.crop}) must be at most `clip.test_size` (={c.clip.test_size}), from which ten are cut",
    ),
    (
        lambda c: not c.clip.test_crop or c.clip.crops == 1,
        "`clip.test_crop` (={c.clip.test_crop}) is for one crop, and `clip.crops` is {c.clip.crops}; set it to 0",
    ),
    (
        lambda c: c.clip.test_crop <= c.clip.test_size,
        "`clip.test_crop` (={c.clip.test_crop}) must be at most `clip.test_size` (={c.clip.test_size}), the short edge "
        "of the frames that it is cut from",
    ),
)


def check_clip(clip: ClipSpec) -> None:
    """Holds a clip's settings against their ranges and each other; they may have changed since it was made.

    Raises:
      InputError: a value is of another type, out of its range, or does not go with the others; names the first.
    """
    check_settings(clip, "clip")
    check_rules(CLIP_RULES, SimpleNamespace(clip=clip))


def shown_at_rate(seconds: Float[np.ndarray, "frame"], rate: float) -> Int[np.ndarray, "tick"]:
    """The number of the frame that is on the screen at each tick, from the first frame's time to the last's.

    Args:
      seconds: when each frame is shown, rising from 0.
      rate: ticks a second.
    """
    ticks = np.arange(int(seconds[-1] * rate + 1e-6) + 1) / rate
    return np.searchsorted(seconds, ticks + 1e-6, side="right") - 1


def train_clip(num_frames: int, rng: np.random.Generator, *, frames: int, stride: int) -> Int[np.ndarray, "time"]:
    """Draws the frame numbers of one clip, which starts anywhere it fits; a video that is too short for it loops.

    Args:
      num_frames: of the video.
      frames: of the clip.
      stride: from one frame of the clip to the next, in frames of the video.
    """
    starts = max(1, num_frames - span(frames, stride) + 1)
    return _clip(rng.integers(starts), num_frames, frames, stride)


def eval_clips(num_frames: int, *, views: int, frames: int, stride: int) -> Int[np.ndarray, "view time"]:
    """The frame numbers of `views` evenly spaced clips, the first at the video's start, the last at its end.

    Starts are rounded down, as in ClassyVision 0.7.0; a video that is too short for a clip loops.

    Args:
      num_frames: of the video.
      frames: of a clip.
      stride: from one frame of a clip to the next, in frames of the video.
    """
    starts = max(1, num_frames - span(frames, stride) + 1)
    firsts = np.floor(np.linspace(0, starts - 1, views)).astype(int)
    return np.stack([_clip(first, num_frames, frames, stride) for first in firsts])


def span(frames: int, stride: int) -> int:
    """How many frames of the video a clip of `frames` reaches over, each of them `stride` after the one before it."""
    return (frames - 1) * stride + 1


def _clip(first, num_frames, frames, stride):
    return (first + stride * np.arange(frames)) % num_frames
