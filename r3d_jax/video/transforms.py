"""Resize, crop, flip: geometry, and uint8 frames in, uint8 frames out; they are normalised on the device."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from r3d_jax.video.clips import ClipSpec

MIDDLE = 0.5 - 1e-9  # what is over, if odd, is one more below and right


class CropWindow(NamedTuple):
    """What a training clip shows of its frames: a square, cut out once they are resized, or a rectangle made one.

    Attributes:
      short_edge: pixels of the frame's short edge, to which it is resized.
      crop: pixels of the square's edge.
      top: where the square is among the places where it fits, from 0 (above) to 1.
      left: where the square is among the places where it fits, from 0 (left) to 1.
      flip: whether it is mirrored, left to right.
      cut: (height, width) in pixels of a rectangle that is cut out and resized to the square; None: the square is cut.
    """

    short_edge: int
    crop: int
    top: float
    left: float
    flip: bool
    cut: tuple[int, int] | None = None

    def box(self, stored: tuple[int, int], target: tuple[int, int], *, even: bool = False) -> tuple[slice, slice]:
        """The rows and columns of a stored frame that become the square once the frame is resized.

        Args:
          stored: (height, width) of the frame in pixels.
          target: (height, width) that it is resized to.
          even: whether the box begins and ends at even pixels, for frames whose colour has half of the resolution.
        """
        unit = 2 if even else 1
        cut = self.cut or (self.crop, self.crop)
        return tuple(_span(*axis, unit) for axis in zip(cut, (self.top, self.left), stored, target))


def draw_crop_window(rng: np.random.Generator, *, sizes: tuple[int, int], crop: int, flip: float) -> CropWindow:
    """Draws what one training clip shows: its size, any place, and whether it is flipped.

    Args:
      sizes: first and last, both included, of the pixels that the short edge is drawn from.
      crop: pixels of the square's edge.
      flip: probability of a horizontal flip.
    """
    short_edge = int(rng.integers(sizes[0], sizes[1] + 1))
    top, left, chance = rng.random(3)
    return CropWindow(short_edge, crop, float(top), float(left), bool(chance < flip))


def draw_resized_window(
    rng: np.random.Generator,
    *,
    size: tuple[int, int],
    area: tuple[float, float],
    aspect: tuple[float, float],
    crop: int,
    flip: float,
) -> CropWindow:
    """Draws a random resized crop (Szegedy et al., arXiv:1409.4842), as torchvision's `RandomResizedCrop` does.

    Of ten tries the first whose rectangle fits into the frame is taken; without one, the largest in the middle of the
    frame whose aspect is allowed.

    Args:
      size: (height, width) of the frame in pixels.
      area: first and last of the part of the frame's area that the rectangle has.
      aspect: first and last of its width over its height; its logarithm is drawn evenly.
      crop: pixels of the edge of the square that it is resized to.
      flip: probability of a horizontal flip.
    """
    height, width = size
    for _ in range(10):
        pixels, ratio = height * width * rng.uniform(*area), np.exp(rng.uniform(*np.log(aspect)))
        cut = round(np.sqrt(pixels / ratio)), round(np.sqrt(pixels * ratio))
        if 0 < cut[0] <= height and 0 < cut[1] <= width:
            top, left = rng.random(2)
            break
    else:
        ratio = min(max(width / height, aspect[0]), aspect[1])
        cut = min(height, round(width / ratio)), min(width, round(height * ratio))
        top = left = MIDDLE
    return CropWindow(min(size), crop, float(top), float(left), bool(rng.random() < flip), cut)


def short_edge_size(height: int, width: int, size: int) -> tuple[int, int]:
    """Height and width of a frame once its short edge is `size` pixels; the long edge is rounded down.

    So it is in ClassyVision 0.7.0: frames of 240x320 become 128x170.
    """
    if height < width:
        return size, int(size * width / height)
    return int(size * height / width), size


def resize(
    frame: UInt8[np.ndarray, "height width channel"], size: tuple[int, int]
) -> Float32[np.ndarray, "height2 width2 channel"]:
    """Resizes a frame to `size` (height, width), in pixels; values stay between 0 and 255.

    Bilinear with half-pixel centres and no antialiasing: what PyTorch's `interpolate(align_corners=False)` does.
    """
    return cv2.resize(frame.astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR)


def middle_crop(
    frames: UInt8[np.ndarray, "*axes height width channel"], *, edge: int
) -> UInt8[np.ndarray, "1 *axes edge edge channel"]:
    """Cuts a square of `edge` pixels from the middle of frames; what is over, if odd, is one more below and right."""
    height, width = frames.shape[-3:-1]
    return _squares(frames, [((height - edge) // 2, (width - edge) // 2)], edge)


def three_crops(
    frames: UInt8[np.ndarray, "*axes height width channel"],
) -> UInt8[np.ndarray, "3 *axes edge edge channel"]:
    """Cuts squares of the short edge from frames: at the beginning, in the middle and at the end of the long edge."""
    height, width = frames.shape[-3:-1]
    edge = min(height, width)
    corners = [((height - edge) * i // 2, (width - edge) * i // 2) for i in range(3)]
    return _squares(frames, corners, edge)


def ten_crops(
    frames: UInt8[np.ndarray, "*axes height width channel"], *, edge: int
) -> UInt8[np.ndarray, "10 *axes edge edge channel"]:
    """Cuts squares of `edge` pixels from frames: at the four corners and in the middle, then their mirror images."""
    down, right = (size - edge for size in frames.shape[-3:-1])
    five = _squares(frames, [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)], edge)
    return np.concatenate([five, five[..., ::-1, :]])


def cutter(clip: ClipSpec) -> Callable | None:
    """The function that cuts a clip's test crops from frames, on a new first axis; None where frames stay whole.

    Returns:
      `middle_crop`, `three_crops` or `ten_crops`, as `clip.crops` and `clip.test_crop` say.
    """
    one = partial(middle_crop, edge=clip.test_crop) if clip.test_crop else None
    return {1: one, 3: three_crops, 10: partial(ten_crops, edge=clip.crop)}[clip.crops]


def as_pixels(frame: Float32[np.ndarray, "height width channel"]) -> UInt8[np.ndarray, "height width channel"]:
    """Rounds a frame of values from 0 to 255 to whole numbers, halves upwards."""
    return (frame + np.float32(0.5)).astype(np.uint8)


def _squares(frames, corners, edge):
    return np.stack([frames[..., top : top + edge, left : left + edge, :] for top, left in corners])


def _span(crop, share, edge, whole, unit):
    """Of an axis of `edge` stored pixels, what shows `crop` of the `whole` that it is resized to."""
    length = min(max(unit, round(crop * edge / whole / unit) * unit), edge - edge % unit)
    first = int(share * ((edge - length) // unit + 1)) * unit
    return slice(min(first, edge - length), min(first, edge - length) + length)
