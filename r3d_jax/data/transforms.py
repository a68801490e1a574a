"""Resize, crop, flip: uint8 frames in, uint8 frames out; the pixels are normalised on the device."""

import numpy as np
from jaxtyping import Float32, UInt8


def short_edge_size(height: int, width: int, size: int) -> tuple[int, int]:
    """Height and width once the short edge is `size`; the long edge is truncated, as in the reference."""
    if height < width:
        return size, int(size * width / height)
    return int(size * height / width), size


def resize(
    frames: UInt8[np.ndarray, "time height width channel"],
    size: tuple[int, int],
    crop: tuple[slice, slice] = (slice(None), slice(None)),
) -> Float32[np.ndarray, "time height2 width2 channel"]:
    """The `crop` of `frames` resized to `size` (height, width), in 0 to 255; only what the crop shows is computed.

    Bilinear with half-pixel centres and no antialiasing: what PyTorch's `interpolate(align_corners=False)` does.
    """
    rows = _weights(frames.shape[1], size[0], crop[0])
    columns = _weights(frames.shape[2], size[1], crop[1])
    return _interpolate(_interpolate(frames, *rows, axis=1), *columns, axis=2)


def train_transform(
    frames: UInt8[np.ndarray, "time height width channel"],
    rng: np.random.Generator,
    *,
    sizes: tuple[int, int],
    crop: int,
    flip: float,
) -> UInt8[np.ndarray, "time crop crop channel"]:
    """Short edge drawn from `sizes` (both included), random square crop, flipped with probability `flip`."""
    height, width = short_edge_size(*frames.shape[1:3], int(rng.integers(sizes[0], sizes[1] + 1)))
    top, left = int(rng.integers(height - crop + 1)), int(rng.integers(width - crop + 1))
    clip = resize(frames, (height, width), (slice(top, top + crop), slice(left, left + crop)))
    return _as_pixels(clip[:, :, ::-1] if rng.random() < flip else clip)


def test_transform(
    frames: UInt8[np.ndarray, "time height width channel"], *, size: int
) -> UInt8[np.ndarray, "time height2 width2 channel"]:
    """The whole frame, its short edge at `size`."""
    target = short_edge_size(*frames.shape[1:3], size)
    return frames if target == frames.shape[1:3] else _as_pixels(resize(frames, target))


def _as_pixels(frames):
    return np.ascontiguousarray((frames + np.float32(0.5)).astype(np.uint8))


def _weights(size_in, size_out, crop):
    """For each kept output position: its two input positions and the second one's weight."""
    at = (np.arange(size_out)[crop] + 0.5) * (size_in / size_out) - 0.5
    at = np.clip(at, 0, size_in - 1)
    low = np.floor(at).astype(int)
    return low, np.minimum(low + 1, size_in - 1), (at - low).astype(np.float32)


def _interpolate(frames, low, high, weight, axis):
    weight = weight.reshape([-1 if i == axis else 1 for i in range(frames.ndim)])
    first = frames.take(low, axis).astype(np.float32)
    return first + (frames.take(high, axis) - first) * weight
