"""3-D convolutions by oneDNN, which XLA's CPU backend carries but never chooses for them by itself.

XLA has a thunk that runs oneDNN's convolution for the custom call `__onednn$convolution`; jaxlib's builds leave out
the pass that rewrites convolutions to it. So the call is written here. It is XLA's own business what the call's
description looks like, and a wrong one ends the process: `onednn_probe.holds` knows where it is right.
"""

import json
import math

import jax
import jax.numpy as jnp
from jax import lax

from r3d_jax.models.window import turned_round

VECTOR = 16  # channels, of a processor with AVX-512


def convolution(
    x,
    kernel,
    size,
    *,
    stride=(1, 1, 1),
    low,
    high,
    dilation=(1, 1, 1),
    swap=False,
    groups=1,
    out=None,
    bias=None,
    shortcut=None,
    relu=False,
):
    """The cross-correlation of x [clip, t, h, w, channel] with kernel [kt, kh, kw, channel / groups, feature].

    Both are float32 or bfloat16, which oneDNN multiplies by itself where the processor can, and slowly elsewhere.

    Args:
      size: time, height and width of what comes out.
      stride: in time, height and width.
      low, high: zeros before and after each axis, not negative.
      dilation: distance of the kernel's positions on each axis of x.
      swap: the kernel is [kt, kh, kw, feature, channel].
      groups: that channels and features are split into; without `swap` alone.
      out: type of what comes out; None: that of `x`.
      bias: [feature], added to what comes out; None: nothing is.
      shortcut: [clip, *size, feature], added after the bias; None: nothing is.
      relu: whether a ReLU comes last.
    """
    if set(dilation) == {1}:
        kernel, low, high = trimmed(kernel, x.shape[1:4], size, stride, low, high)
    features = kernel.shape[3 if swap else 4]
    window = {
        "size": kernel.shape[:3],
        "pad_left": low,
        "pad_right": high,
        "strides": stride,
        "window_dilations": dilation,
    }
    added = {"BIAS": bias, "BINARY_ADD": shortcut}
    added = {operation: values for operation, values in added.items() if values is not None}
    call = jax.ffi.ffi_call(
        "__onednn$convolution",
        jax.ShapeDtypeStruct((x.shape[0], *size, features), out or x.dtype),
        custom_call_api_version=1,
        legacy_backend_config=_description(window, swap, groups, [*added, *["RELU"] * relu]),
    )
    return call(x, kernel, *added.values())


def _description(window, swap, groups, following):
    """What XLA is told of the call."""
    data = {"batch_dim": 0, "feature_dim": 4, "spatial_dims": ["1", "2", "3"]}
    inputs, outputs = (4, 3) if swap else (3, 4)
    filters = {"input_feature_dim": inputs, "output_feature_dim": outputs, "spatial_dims": ["0", "1", "2"]}
    config = {
        "dims": "5",
        "input": {"dims": "5", "data": data},
        "kernel": {"dims": "5", "filter": filters},
        "output": {"dims": "5", "data": data},
        "window": {name: list(map(str, values)) for name, values in window.items()},
        "feature_groups": str(groups),
        "fusions": {"ops": following},
    }
    return json.dumps({"onednn_conv_config": config})


def trimmed(kernel, size, out, stride, low, high):
    """The kernel without its outer positions that meet zeros alone, and the zeros that are left.

    Where eight frames have become one, two thirds of a kernel is of that kind, and oneDNN puts all of it in another
    order at every call.
    """
    kept, lows, highs = [], [], []
    for n, m, k, s, lo, hi in zip(size, out, kernel.shape, stride, low, high):
        met = [at for at in range(k) if any(0 <= o * s + at - lo < n for o in range(m))] or [0, k - 1]
        kept.append(slice(met[0], met[-1] + 1))
        lows.append(lo - met[0])
        highs.append(hi - (k - 1 - met[-1]))
    return kernel[tuple(kept)], lows, highs


def transposed(y, kernel, size, *, low, high, groups):
    """The convolution at stride 1 from a kernel's features to its channels, each tap where it was.

    Args:
      y: [clip, t, h, w, feature].
      kernel: [kt, kh, kw, channel / groups, feature], as the convolution from channels to features takes it.
      size: time, height and width of what comes out.
      low, high: zeros before and after each axis, not negative.
      groups: that channels and features are split into.
    """
    if groups > 1:
        return convolution(y, turned_round(kernel, groups), size, low=low, high=high, groups=groups)
    return convolution(y, kernel, size, low=low, high=high, swap=True)  # oneDNN turns a large kernel faster than XLA


def kernel_gradient(x, y, window):
    """The gradient with respect to the kernel [kt, kh, kw, channel / groups, feature] of a convolution.

    Clip by clip it is a convolution of the clip with its output's gradient as the kernel.

    Args:
      x: clips [clip, t, h, w, channel].
      y: the output's gradient [clip, t2, h2, w2, feature].
      window: of the convolution.
    """
    if window.groups > 1:
        return _of_groups(x, y, window)
    channels, features, dtype = x.shape[4], y.shape[4], x.dtype
    if window.kernel == (1, 1, 1) and not any(window.padding):
        x = x[:, *(slice(None, None, s) for s in window.stride)]
        x, y = (values.astype(jnp.float32).reshape(-1, values.shape[4]) for values in (x, y))  # XLA's product is exact
        return (x.T @ y).astype(dtype).reshape(1, 1, 1, channels, features)

    # That convolution has no channels: those of the clip lie along the width, where they are positions like others.
    def along_width(values):
        return *values[:2], values[2] * channels

    size, low = along_width(window.size), along_width(window.padding)
    dilation, wanted = along_width(window.stride), along_width(window.kernel)
    kept, high = _met(size, low, dilation, window.out, wanted)

    def add(total, clip_and_gradient):
        clip, gradient = clip_and_gradient
        clip = clip.reshape(size)[kept][None, ..., None]
        kernel, options = gradient[..., None, :], {"low": low, "high": high, "dilation": dilation, "out": jnp.float32}
        return total + convolution(clip, kernel, wanted, **options), None

    total, _ = lax.scan(add, jnp.zeros((1, *wanted, features), jnp.float32), (x, y))
    return total.reshape(*window.kernel, channels, features).astype(dtype)


def _of_groups(x, y, window):
    """The kernel's gradient, of as many groups together as fill a vector; what lies between two of them is left out.

    That convolution has the outputs along the width as its channels: a position of the kernel meets every one of them
    at a place of its own. Kernel positions along the width, and the clip's channels, lie along its width.
    """
    groups, (kt, kh, kw), outputs, stride = window.groups, window.kernel, window.out[2], window.stride[2]
    channels, features = x.shape[4] // groups, y.shape[4] // groups
    together = math.gcd(groups, -(-VECTOR // channels))
    kept, high = _met(window.size, window.padding, window.stride, window.out, window.kernel)
    wanted = (kt, kh, kw * together * channels)
    options = {"low": (*window.padding[:2], 0), "high": (*high[:2], 0), "dilation": (*window.stride[:2], 1)}

    def add(total, clip_and_gradient):
        clip, gradient = clip_and_gradient
        clip = lax.optimization_barrier(clip[kept].swapaxes(2, 3))  # or each position would turn it round anew
        clip = jnp.pad(clip, [(0, 0)] * 3 + [(window.padding[2], high[2])])
        clip = jnp.stack([clip[..., p : p + (outputs - 1) * stride + 1 : stride] for p in range(kw)], 2)
        clip = clip.reshape(1, *clip.shape[:2], wanted[2], outputs)
        return total + convolution(clip, gradient[:, :, None], wanted, **options, out=jnp.float32), None

    def of_part(part):
        widths = together * channels, together * features
        taken = tuple(lax.dynamic_slice_in_dim(a, part * n, n, 4) for a, n in zip((x, y), widths))
        total, _ = lax.scan(add, jnp.zeros((1, *wanted, widths[1]), jnp.float32), taken)
        total = total.reshape(*window.kernel, together, channels, together, features)
        return jnp.diagonal(total, axis1=3, axis2=5)  # [kt, kh, kw, channel, feature, group]

    parts = lax.map(of_part, jnp.arange(groups // together))
    return parts.transpose(1, 2, 3, 4, 0, 6, 5).reshape(*window.kernel, channels, y.shape[4]).astype(x.dtype)


def _met(size, low, dilation, positions, wanted):
    """What `positions` of a kernel meet of each axis, if `wanted` values are to come out, and the zeros after it."""
    reach = [(m - 1) * d + k for m, d, k in zip(positions, dilation, wanted)]
    high = [r - n - lo for r, n, lo in zip(reach, size, low)]
    return tuple(slice(0, n + min(0, hi)) for n, hi in zip(size, high)), [max(0, hi) for hi in high]
