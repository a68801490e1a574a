"""Resize, crop, flip: geometry, and uint8 frames in, uint8 frames out; they are normalised on the device."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float32, UInt8


class CropWindow(NamedTuple):
    """What a training clip shows: of frames whose short edge is `short_edge`, a square of edge `crop`.

    `top` and `left` are shares, from 0 to 1, of the places where it fits.
    """

    short_edge: int
    crop: int
    top: float
    left: float
    flip: bool

    def box(self, stored: tuple[int, int], target: tuple[int, int], *, even: bool = False) -> tuple[slice, slice]:
        """Rows and columns of a frame of size `stored` that become the square once the frame is resized to `target`.

        To whole pixels, or to pairs of them where colour has half of the resolution.
        """
        unit = 2 if even else 1
        return tuple(
            _span(self.crop, share, edge, whole, unit)
            for share, edge, whole in zip((self.top, self.left), stored, target)
        )


def draw_crop_window(rng: np.random.Generator, *, sizes: tuple[int, int], crop: int, flip: float) -> CropWindow:
    """Short edge drawn from `sizes` (both included), any place, flipped with probability `flip`; one for a clip."""
    short_edge = int(rng.integers(sizes[0], sizes[1] + 1))
    top, left, chance = rng.random(3)
    return CropWindow(short_edge, crop, float(top), float(left), bool(chance < flip))


def short_edge_size(height: int, width: int, size: int) -> tuple[int, int]:
    """Height and width once the short edge is `size`; the long edge is truncated, as in the reference."""
    if height < width:
        return size, int(size * width / height)
    return int(size * height / width), size


def resize(
    frame: UInt8[np.ndarray, "height width channel"], size: tuple[int, int]
) -> Float32[np.ndarray, "height2 width2 channel"]:
    """`frame` at `size` (height, width), in 0 to 255.

    Bilinear with half-pixel centres and no antialiasing: what PyTorch's `interpolate(align_corners=False)` does.
    """
    return cv2.resize(frame.astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR)


def three_crops(
    frames: UInt8[np.ndarray, "*axes height width channel"],
) -> UInt8[np.ndarray, "3 *axes edge edge channel"]:
    """Squares of the short edge: at the beginning, in the middle and at the end of the long one."""
    height, width = frames.shape[-3:-1]
    edge = min(height, width)
    corners = [((height - edge) * i // 2, (width - edge) * i // 2) for i in range(3)]
    return _squares(frames, corners, edge)


def ten_crops(
    frames: UInt8[np.ndarray, "*axes height width channel"], *, edge: int
) -> UInt8[np.ndarray, "10 *axes edge edge channel"]:
    """Squares at the four corners and in the middle, and their mirror images."""
    down, right = (size - edge for size in frames.shape[-3:-1])
    five = _squares(frames, [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)], edge)
    return np.concatenate([five, five[..., ::-1, :]])


def cutter(crops: int, edge: int) -> Callable | None:
    """What makes 3 or 10 `crops` of frames, ten of them squares of `edge`; None for 1, the whole frame."""
    return {1: None, 3: three_crops, 10: partial(ten_crops, edge=edge)}[crops]


def as_pixels(frame: Float32[np.ndarray, "height width channel"]) -> UInt8[np.ndarray, "height width channel"]:
    """Rounded."""
    return (frame + np.float32(0.5)).astype(np.uint8)


def _squares(frames, corners, edge):
    return np.stack([frames[..., top : top + edge, left : left + edge, :] for top, left in corners])


def _span(crop, share, edge, whole, unit):
    length = min(max(unit, round(crop * edge / whole / unit) * unit), edge - edge % unit)
    first = int(share * ((edge - length) // unit + 1)) * unit
    return slice(min(first, edge - length), min(first, edge - length) + length)
