"""3-D convolutions by oneDNN, which XLA's CPU backend carries but never chooses for them by itself.

XLA has a thunk that runs oneDNN's convolution for the custom call `__onednn$convolution`; jaxlib's builds leave out
the pass that rewrites convolutions to it. So the call is written here. It is XLA's own business what the call's
description looks like, and a wrong one ends the process: `onednn_probe.holds` knows where it is right.
"""

import json

import jax

from r3d_jax.models.window import turned_round


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
