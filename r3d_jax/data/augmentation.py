"""Colour, RandAugment, erasing, mixup and CutMix on uint8 clips: one draw a clip, so that nothing flickers."""

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8

VALUES = np.arange(256)
LUMA = np.array([0.299, 0.587, 0.114])  # of R, G, B: ITU-R BT.601
SMOOTH = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13


def augment(
    clip: UInt8[np.ndarray, "time height width 3"],
    rng: np.random.Generator,
    *,
    jitter: tuple[float, float, float, float],
    operations: int,
    magnitude: float,
    erase: float,
) -> UInt8[np.ndarray, "time height width 3"]:
    """Changes a clip by `rand_augment`, `color_jitter` and `random_erase`, in that order, from one generator.

    Args:
      jitter: brightness, contrast, saturation and hue, as `color_jitter` takes them; 0: off.
      operations, magnitude: as `rand_augment` takes them; 0 operations: off.
      erase: probability that a rectangle is erased; 0: off.
    """
    brightness, contrast, saturation, hue = jitter
    clip = rand_augment(clip, rng, operations=operations, magnitude=magnitude)
    if any(jitter):
        clip = color_jitter(clip, rng, brightness=brightness, contrast=contrast, saturation=saturation, hue=hue)
    return random_erase(clip, rng, probability=erase) if erase else clip


def color_jitter(
    clip: UInt8[np.ndarray, "time height width 3"],
    rng: np.random.Generator,
    *,
    brightness: float,
    contrast: float,
    saturation: float,
    hue: float,
) -> UInt8[np.ndarray, "time height width 3"]:
    """Makes four changes of an RGB clip in random order, as torchvision's `ColorJitter` does.

    Args:
      brightness, contrast, saturation: x, of a factor uniform in [max(0, 1 - x), 1 + x]; 0: off.
      hue: x, of a turn uniform in [-x, x] of the colour circle, at most 0.5; 0: off.
    """
    changes = [(_brightness, brightness), (_contrast, contrast), (_saturation, saturation)]
    # all is drawn, also for what is off: the other changes stay the same
    drawn = [(change, x, rng.uniform(max(0.0, 1 - x), 1 + x)) for change, x in changes]
    drawn.append((_hue, hue, rng.uniform(-hue, hue)))
    clip = np.ascontiguousarray(clip)
    for i in rng.permutation(len(drawn)):
        change, x, amount = drawn[i]
        if x:
            clip = change(clip, amount)
    return clip


def rand_augment(
    clip: UInt8[np.ndarray, "time height width 3"], rng: np.random.Generator, *, operations: int, magnitude: float
) -> UInt8[np.ndarray, "time height width 3"]:
    """Changes a clip by some `operations` drawn from `OPERATIONS`: RandAugment (Cubuk et al., arXiv:1909.13719).

    Each is as strong as `magnitude`, from 0 to 10, says, in a random direction.
    """
    clip = np.ascontiguousarray(clip)
    table = list(OPERATIONS.values())
    for _ in range(operations):
        operation, sign = table[rng.integers(len(table))], rng.choice((-1, 1))
        clip = operation(clip, sign * magnitude / 10)
    return clip


def random_erase(
    clip: UInt8[np.ndarray, "time height width 3"], rng: np.random.Generator, *, probability: float
) -> UInt8[np.ndarray, "time height width 3"]:
    """Fills, with `probability`, a rectangle with noise, the same in all frames: Random Erasing (arXiv:1708.04896).

    It covers 2 % to 33 % of the frame; its height is 0.3 to 3.3 times its width, as far as that fits.
    """
    if rng.random() >= probability:
        return np.ascontiguousarray(clip)
    height, width = clip.shape[1:3]
    share = rng.uniform(0.02, 0.33)
    # only the aspects at which this area fits, so that nothing has to be drawn again
    low, high = np.clip((0.3, 3.3), share * height / width, height / (share * width))
    aspect = np.exp(rng.uniform(np.log(low), np.log(high)))
    rows = max(1, round(np.sqrt(share * height * width * aspect)))
    columns = max(1, round(np.sqrt(share * height * width / aspect)))
    top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
    erased = clip.copy(order="C")
    erased[:, top : top + rows, left : left + columns] = rng.integers(0, 256, (rows, columns, 3), np.uint8)
    return erased


def mix_pairs(
    batch: dict[str, Any], rngs: Sequence[np.random.Generator], *, mixup: float, cutmix: float
) -> dict[str, Any]:
    """Mixes clips 2p and 2p + 1 of a batch by draws from `rngs[p]`: by mixup or CutMix, evenly if both are on.

    Args:
      batch: with `clip` uint8 [batch, time, height, width, 3] and `label` int32 [batch].
      mixup, cutmix: alpha of the Beta(alpha, alpha) that weights are drawn from (arXiv:1710.09412, 1905.04899); 0: off.

    Returns:
      The batch with its clips mixed, `other` int32 [batch], the partner's label, and `weight` float32 [batch], that of
      `label`: the loss is weight * CE(label) + (1 - weight) * CE(other).

    Raises:
      ValueError: a clip is left over, or the generators are not one for each pair.
    """
    clips, label = batch["clip"], batch["label"]
    weight = np.ones(len(clips), np.float32)
    if not (mixup or cutmix):
        return batch | {"other": label, "weight": weight}
    if len(clips) % 2:
        raise ValueError(f"clips are mixed in pairs, and a batch of {len(clips)} has one left over")
    mixed = np.empty(clips.shape, np.uint8)
    for first, rng in zip(range(0, len(clips), 2), rngs, strict=True):
        pair = slice(first, first + 2)
        if cutmix and (not mixup or rng.random() < 0.5):
            weight[pair] = _cutmix(clips[pair], mixed[pair], rng, cutmix)
        else:
            weight[pair] = _mixup(clips[pair], mixed[pair], rng, mixup)
    return batch | {"clip": mixed, "other": label[np.arange(len(label)) ^ 1], "weight": weight}


def _mixup(pair, out, rng, alpha):
    """Writes the two blends and returns the share of each clip in its own."""
    share = np.float32(rng.beta(alpha, alpha))
    first, second = pair.reshape(2, len(pair[0]), -1)
    for own, other, blend in ((first, second, out[0]), (second, first, out[1])):
        blend[:] = cv2.addWeighted(own, float(share), other, 1 - float(share), 0).reshape(blend.shape)
    return share


def _cutmix(pair, out, rng, alpha):
    """Swaps one box, the same in all frames, and returns the share outside it."""
    height, width = pair.shape[2:4]
    edge = np.sqrt(1 - rng.beta(alpha, alpha))
    (top, bottom), (left, right) = _cut(height, edge, rng), _cut(width, edge, rng)
    out[:] = pair
    out[:, :, top:bottom, left:right] = pair[::-1, :, top:bottom, left:right]
    return 1 - (bottom - top) * (right - left) / (height * width)


def _cut(size, edge, rng):
    """Both ends of `edge` of an axis around a random centre, as far as it lies inside."""
    start = round(rng.uniform(0, size) - edge * size / 2)
    return max(0, start), min(size, start + round(edge * size))


def _brightness(clip, factor):
    return _look_up(clip, factor * VALUES)


def _contrast(clip, factor):
    """Blends with the clip's mean grey."""
    mean = LUMA @ cv2.mean(_image(clip))[:3]
    return _look_up(clip, mean + factor * (VALUES - mean))


def _saturation(clip, factor):
    """Blends with each pixel's grey."""
    return cv2.transform(_image(clip), factor * np.eye(3) + (1 - factor) * LUMA).reshape(clip.shape)


def _hue(clip, turn):
    hsv = cv2.cvtColor(_image(clip), cv2.COLOR_RGB2HSV_FULL)
    hue = hsv[..., 0]
    hue += np.uint8(round(256 * turn) % 256)
    hue -= hue > 127  # OpenCV writes the full circle as 256 but reads it as 255
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL).reshape(clip.shape)


def _per_channel(clip, table):
    """Replaces the values of each channel by table(how often it has each), unless it has but one."""
    channels = [cv2.calcHist([_image(clip)], [i], None, [256], [0, 256]).ravel() for i in range(3)]
    tables = [table(counts) if np.count_nonzero(counts) > 1 else VALUES for counts in channels]
    return _look_up(clip, np.stack(tables, -1))


def _stretched(counts):
    low, high = np.flatnonzero(counts)[[0, -1]]
    return (VALUES - low) * (255 / (high - low))


def _equalized(counts):
    above_lowest = np.cumsum(counts) - counts[counts > 0][0]
    return above_lowest * (255 / above_lowest[-1])


def _sharpness(clip, factor):
    """Blends with a smoothed clip."""
    kernel = (1 - factor) * SMOOTH
    kernel[1, 1] += factor
    return np.stack([cv2.filter2D(frame, -1, kernel) for frame in clip])


def _rotate(clip, degrees):
    """Turns clockwise."""
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    return _warp(clip, [[cosine, -sine], [sine, cosine]])


def _warp(clip, linear=((1, 0), (0, 1)), shift=(0, 0)):
    """Moves what is at p = (x, y) from the centre to linear @ p + shift * (width, height); fills up with grey."""
    size = clip.shape[2], clip.shape[1]
    centre = (np.array(size) - 1) / 2
    matrix = np.column_stack([linear, centre - np.dot(linear, centre) + np.multiply(shift, size)])
    options = {"flags": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_CONSTANT, "borderValue": (128, 128, 128)}
    return np.stack([cv2.warpAffine(frame, matrix, size, **options) for frame in clip])


def _image(clip):
    """All frames as one image, [time * height, width, 3]: one call of OpenCV."""
    return clip.reshape(-1, *clip.shape[2:])


def _look_up(clip, table):
    """Replaces value i by table[i], rounded; `table` is [256] or [256, 3]."""
    table = np.clip(np.rint(table), 0, 255).astype(np.uint8)
    return cv2.LUT(_image(clip), table.reshape(1, 256, -1)).reshape(clip.shape)


# The operations of RandAugment over the ranges of AutoAugment (Cubuk et al. 2018, table 6), from which it took them.
# The level is magnitude / 10 with a random sign: at 10, one bit in two is posterized away, and all is solarized. Chosen
# here: rotation and shear keep the centre, and the shift, up to 150 of 331 pixels there, is a share of the edge.
OPERATIONS: dict[str, Callable] = {
    "identity": lambda clip, level: clip,
    "auto_contrast": lambda clip, level: _per_channel(clip, _stretched),
    "equalize": lambda clip, level: _per_channel(clip, _equalized),
    "rotate": lambda clip, level: _rotate(clip, 30 * level),
    "solarize": lambda clip, level: _look_up(clip, np.where(abs(level) >= 1 - VALUES / 256, 255 - VALUES, VALUES)),
    "color": lambda clip, level: _saturation(clip, 1 + 0.9 * level),
    "posterize": lambda clip, level: _look_up(clip, VALUES & -(1 << round(4 * abs(level)))),
    "contrast": lambda clip, level: _contrast(clip, 1 + 0.9 * level),
    "brightness": lambda clip, level: _brightness(clip, 1 + 0.9 * level),
    "sharpness": lambda clip, level: _sharpness(clip, 1 + 0.9 * level),
    "shear_x": lambda clip, level: _warp(clip, linear=((1, 0.3 * level), (0, 1))),
    "shear_y": lambda clip, level: _warp(clip, linear=((1, 0), (0.3 * level, 1))),
    "translate_x": lambda clip, level: _warp(clip, shift=(0.45 * level, 0)),
    "translate_y": lambda clip, level: _warp(clip, shift=(0, 0.45 * level)),
}
