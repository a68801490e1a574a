"""3-D convolutions of each channel by itself (depthwise), as sums of products.

XLA's CPU backend takes a convolution with as many groups as channels one value at a time. But there is nothing in it to
be multiplied as matrices: written as products of whole rows of channels, it compiles to the loops that a processor's
vectors are made for.
"""

from itertools import product

import jax.numpy as jnp
from jax import lax


def convolution(x, kernel, size, *, stride=(1, 1, 1), low, high, groups):
    """The cross-correlation of x [clip, t, h, w, channel] with kernel [kt, kh, kw, 1, channel].

    Args:
      size: time, height and width of what comes out.
      stride: in time, height and width.
      low, high: zeros before and after each axis, not negative.
      groups: as many as channels.
    """
    del groups
    # Behind a barrier, or every product would be computed with its own test for the border.
    x = lax.optimization_barrier(jnp.pad(x, [(0, 0), *zip(low, high), (0, 0)]))
    total = 0
    for position in product(*map(range, kernel.shape[:3])):
        met = (slice(p, p + (n - 1) * s + 1, s) for p, n, s in zip(position, size, stride))
        total += x[:, *met] * kernel[position][0]
    return total


def transposed(y, kernel, size, *, low, high, groups):
    """The convolution at stride 1 from a kernel's features to its channels, each tap where it was.

    Args:
      y: [clip, t, h, w, channel].
      kernel: [kt, kh, kw, 1, channel].
      size: time, height and width of what comes out.
      low, high: zeros before and after each axis, not negative.
      groups: as many as channels.
    """
    return convolution(y, kernel, size, low=low, high=high, groups=groups)


def kernel_gradient(x, y, window):
    """The gradient with respect to the kernel [kt, kh, kw, 1, channel] of a convolution.

    Summed over the rows of y in turn, position by position of a row: a third of the time of 27 sums over everything.

    Args:
      x: clips [clip, t, h, w, channel].
      y: the output's gradient [clip, t2, h2, w2, channel].
      window: of the convolution.
    """
    (clips, time, height, width, channels), (kt, kh, kw) = y.shape, window.kernel
    reach = [(m - 1) * s + k for m, s, k in zip(window.out, window.stride, window.kernel)]
    high = [max(0, r - n - p) for r, n, p in zip(reach, window.size, window.padding)]
    x = jnp.pad(x, [(0, 0), *zip(window.padding, high), (0, 0)])
    st, sh, sw = window.stride

    def add(totals, row):
        clip, t, h = row // (time * height), row // height % time, row % height
        frames = lax.dynamic_slice(x, (clip, t * st, h * sh, 0, 0), (1, kt, kh, *x.shape[3:]))[0]
        gradient = lax.dynamic_slice(y, (clip, t, h, 0, 0), (1, 1, 1, width, channels))[0, 0]
        met = (frames[:, :, p : p + (width - 1) * sw + 1 : sw] for p in range(kw))
        return tuple(total + part * gradient for total, part in zip(totals, met)), None

    zeros = (jnp.zeros((kt, kh, width, channels), x.dtype),) * kw
    totals, _ = lax.scan(add, zeros, jnp.arange(clips * time * height))
    return jnp.stack([total.sum(2) for total in totals], 2)[:, :, :, None]
