"""3-D convolutions as sums of 2-D ones, one for each temporal kernel position (tap).

XLA's CPU backend has fast 2-D convolutions but slow 3-D ones, hopeless at a stride. Within a loop it is fast only for
those whose axes come as it likes them: clip, height, width, channel, and height, width, channel, feature for kernels.
So the gradients are such convolutions as well, and not the transposes that JAX would derive.
"""

import jax.numpy as jnp
from jax import lax

from r3d_jax.models.window import frames_met, met_at_tap, turned_round


def convolution(x, kernel, size, *, stride=(1, 1, 1), low, high, groups=1):
    """The cross-correlation of x [clip, t, h, w, channel] with kernel [kt, kh, kw, channel / groups, feature].

    A tap is applied only to the frames that it meets, so the zero frames of the padding cost nothing.

    Args:
      size: time, height and width of what comes out.
      stride: in time, height and width.
      low, high: zeros before and after each axis, not negative.
      groups: that channels and features are split into, each group convolved by itself.
    """
    total = None
    for tap in range(kernel.shape[0]):
        met = frames_met(tap, x.shape[1], size[0], stride[0], low[0])
        if not met:
            continue
        first, last, start = met
        frames = x[:, start : start + (last - first) * stride[0] + 1 : stride[0]]
        out = _conv2d(_merged(frames), kernel[tap], stride[1:], low[1:], high[1:], groups=groups)
        out = out.reshape(x.shape[0], last - first + 1, *out.shape[1:])
        out = jnp.pad(out, [(0, 0), (first, size[0] - 1 - last), (0, 0), (0, 0), (0, 0)])
        total = out if total is None else total + out
    return jnp.zeros((x.shape[0], *size, kernel.shape[4]), x.dtype) if total is None else total


def transposed(y, kernel, size, *, low, high, groups):
    """The convolution at stride 1 from a kernel's features to its channels, each tap where it was.

    Args:
      y: [clip, t, h, w, feature].
      kernel: [kt, kh, kw, channel / groups, feature], as the convolution from channels to features takes it.
      size: time, height and width of what comes out.
      low, high: zeros before and after each axis, not negative.
      groups: that channels and features are split into.
    """
    return convolution(y, turned_round(kernel, groups), size, low=low, high=high, groups=groups)


def kernel_gradient(x, y, window):
    """The gradient with respect to the kernel [kt, kh, kw, channel / groups, feature] of a convolution.

    For each tap it is a convolution of the frames with the output's gradient as the kernel, and clips as channels.

    Args:
      x: clips [clip, t, h, w, channel].
      y: the output's gradient [clip, t2, h2, w2, feature].
      window: of the convolution.
    """
    groups, channels, features = window.groups, x.shape[4] // window.groups, y.shape[4]
    reach = [(m - 1) * s + k for m, s, k in zip(window.out, window.stride, window.kernel)]
    high = [max(0, r - n - p) for r, n, p in zip(reach, window.size, window.padding)]
    taps = []
    for tap in range(window.kernel[0]):
        met = met_at_tap(tap, x, y, window)
        if not met:
            taps.append(jnp.zeros((*window.kernel[1:], channels, features), x.dtype))
            continue
        frames, gradient = met
        frames = frames.reshape(*frames.shape[:3], groups, channels).transpose(4, 1, 2, 3, 0)
        gradient = gradient.transpose(1, 2, 0, 3)
        low, dilation = window.padding[1:], window.stride[1:]
        frames = frames.reshape(*frames.shape[:3], -1)
        out = _conv2d(frames, gradient, (1, 1), low, high[1:], groups=groups, dilation=dilation)
        taps.append(out[:, : window.kernel[1], : window.kernel[2]].transpose(1, 2, 0, 3))
    return jnp.stack(taps)


def _merged(x):
    return x.reshape(-1, *x.shape[2:])


def _conv2d(x, kernel, stride, low, high, *, groups, dilation=(1, 1)):
    return lax.conv_general_dilated(
        x,
        kernel,
        stride,
        list(zip(low, high)),
        rhs_dilation=dilation,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )
