"""What a convolution slides over what, and its input gradient as convolutions at stride 1."""

from itertools import product
from typing import NamedTuple

import jax.numpy as jnp


class Window(NamedTuple):
    """What a convolution slides over what; each but `groups` in time, height and width.

    Attributes:
      size: of the clips that come in.
      kernel, stride: of the convolution.
      padding: zeros on both sides.
      groups: that channels and features are split into.
    """

    size: tuple[int, int, int]
    kernel: tuple[int, int, int]
    stride: tuple[int, int, int]
    padding: tuple[int, int, int]
    groups: int

    @property
    def out(self) -> tuple:
        """Time, height and width of the output; formulas in an exported program, which takes any size."""
        return tuple((n + 2 * p - k) // s + 1 for n, k, s, p in zip(*self[:4]))


# The operands of each form of a convolution, in order: x [clip, t, h, w, channel], k [kt, kh, kw, channel / groups,
# feature] and y [clip, t2, h2, w2, feature].
OPERANDS = {"y": "xk", "x": "yk", "k": "xy"}


def is_depthwise(channels, features, window):
    """Whether each channel is convolved by itself."""
    return 1 < channels == features == window.groups


class Trimmed(NamedTuple):
    """A kernel without its outer positions that meet zeros alone; each in time, height and width.

    Attributes:
      first: position that is left.
      kernel: how many are left.
      low, high: zeros before and after each axis that are left.
    """

    first: tuple[int, ...]
    kernel: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]


def trimmed(window: Window) -> Trimmed:
    """The kernel positions that meet anything: where eight frames have become one, a third of them."""
    axes = []
    for n, m, k, s, p in zip(window.size, window.out, *window[1:4]):
        met = [at for at in range(k) if any(0 <= o * s + at - p < n for o in range(m))] or [0, k - 1]
        axes.append((met[0], met[-1] + 1 - met[0], p - met[0], p - (k - 1 - met[-1])))
    return Trimmed(*zip(*axes))


def turned_round(kernel, groups):
    """A kernel [kt, kh, kw, channel / groups, feature] as [kt, kh, kw, feature / groups, channel], group by group."""
    *positions, channels, features = kernel.shape
    kernel = kernel.reshape(*positions, channels, groups, features // groups).swapaxes(3, 5)
    return kernel.reshape(*positions, features // groups, groups * channels)


def frames_met(tap, frames, outputs, stride, padding):
    """First and last output that meets a frame at `tap`, and the first such frame; None if there is none."""
    first = max(0, -((tap - padding) // stride))
    last = min(outputs - 1, (frames - 1 + padding - tap) // stride)
    return (first, last, first * stride + tap - padding) if first <= last else None


def met_at_tap(tap, x, y, window):
    """What the kernel's position `tap` in time meets in all clips: frames [frame, h, w, channel] and their outputs.

    Args:
      x: clips [clip, t, h, w, channel].
      y: outputs, or their gradient [clip, t2, h2, w2, feature].
      window: of the convolution.

    Returns:
      (frames, outputs), one output for each frame; None if it meets padding alone.
    """
    stride = window.stride[0]
    met = frames_met(tap, window.size[0], window.out[0], stride, window.padding[0])
    if not met:
        return None
    first, last, start = met
    frames, outputs = x[:, start : start + (last - first) * stride + 1 : stride], y[:, first : last + 1]
    return frames.reshape(-1, *frames.shape[2:]), outputs.reshape(-1, *outputs.shape[2:])


def input_gradient(y, kernel, window, transposed):
    """The gradient with respect to the clips [clip, t, h, w, channel] of a convolution.

    It is one convolution at stride 1 for each phase of the stride, that is, for the inputs that meet the same kernel
    positions. Zeros between the outputs, which is the textbook's way, would have most products be of zeros.

    Args:
      y: the output's gradient [clip, t2, h2, w2, feature].
      kernel: [kt, kh, kw, channel / groups, feature], as the convolution takes it.
      window: of the convolution.
      transposed: (y, part of the kernel, size, low and high zeros) -> [clip, *size, channel], a convolution from the
        kernel's features to its channels.
    """
    stride, padding = window.stride, window.padding
    size = tuple(-(-n // s) for n, s in zip(window.size, stride))  # of a phase, the shorter ones filled up
    channels = kernel.shape[3] * window.groups
    phases = []
    for phase in product(*map(range, stride)):
        # Input i = phase + stride * j meets output o at kernel position i + padding - stride * o.
        first = [(r + p) % s for r, p, s in zip(phase, padding, stride)]
        part = kernel[tuple(slice(f, None, s) for f, s in zip(first, stride))]
        if 0 in part.shape:
            phases.append(jnp.zeros((y.shape[0], *size, channels), y.dtype))
            continue
        newest = [(r + p) // s for r, p, s in zip(phase, padding, stride)]  # output met at j = 0, position `first`
        low = [k - 1 - o for k, o in zip(part.shape, newest)]
        high = [n + o - m for n, o, m in zip(size, newest, window.out)]
        kept = tuple(slice(max(0, -lo), n - max(0, -hi)) for lo, hi, n in zip(low, high, window.out))
        low, high = (tuple(max(0, zeros) for zeros in side) for side in (low, high))
        phases.append(transposed(y[:, *kept], jnp.flip(part, (0, 1, 2)), size, low=low, high=high))
    if len(phases) == 1:
        return phases[0]
    whole = jnp.stack(phases).reshape(*stride, *phases[0].shape).transpose(3, 4, 0, 5, 1, 6, 2, 7)
    whole = whole.reshape(y.shape[0], *(n * s for n, s in zip(size, stride)), channels)
    return whole[:, : window.size[0], : window.size[1], : window.size[2]]
