"""3-D convolutions by oneDNN, which XLA's CPU backend carries but never chooses for them by itself.

XLA has a thunk that runs oneDNN's convolution for the custom call `__onednn$convolution`; jaxlib's builds leave out
the pass that rewrites convolutions to it. So the call is written here. It is XLA's own business what the call's
description looks like, and a wrong one ends the process: only jaxlib releases that the tests ran with are trusted.
"""

import json
import platform
import sys

import jax
import jax.numpy as jnp
import jaxlib
from jax import lax

from r3d_jax.models.window import turned_round

TRUSTED = ("0.10.2",)  # of jaxlib


def available() -> bool:
    """Whether this jaxlib is known to run the call."""
    return sys.platform == "linux" and platform.machine() == "x86_64" and jaxlib.__version__ in TRUSTED


def convolution(x, kernel, size, *, stride=(1, 1, 1), low, high, dilation=(1, 1, 1), swap=False, groups=1):
    """Cross-correlation of x [clip, t, h, w, channel] with kernel [kt, kh, kw, channel, feature].

    Args:
      size: time, height and width of what comes out.
      low, high: zeros before and after each axis, not negative.
      dilation: of the kernel.
      swap: the kernel is [kt, kh, kw, feature, channel].
    """
    data = {"batch_dim": 0, "feature_dim": 4, "spatial_dims": ["1", "2", "3"]}
    inputs, outputs = (4, 3) if swap else (3, 4)
    filters = {"input_feature_dim": inputs, "output_feature_dim": outputs, "spatial_dims": ["0", "1", "2"]}
    window = {
        "size": kernel.shape[:3],
        "pad_left": low,
        "pad_right": high,
        "strides": stride,
        "window_dilations": dilation,
    }
    config = {
        "dims": "5",
        "input": {"dims": "5", "data": data},
        "kernel": {"dims": "5", "filter": filters},
        "output": {"dims": "5", "data": data},
        "window": {name: list(map(str, values)) for name, values in window.items()},
        "feature_groups": str(groups),
    }
    call = jax.ffi.ffi_call(
        "__onednn$convolution",
        jax.ShapeDtypeStruct((x.shape[0], *size, kernel.shape[outputs]), jnp.float32),
        custom_call_api_version=1,
        legacy_backend_config=json.dumps({"onednn_conv_config": config}),
    )
    return call(x, kernel)


def transposed(y, kernel, size, *, low, high, groups):
    """`convolution` from the kernel's features to its channels."""
    if groups > 1:
        return convolution(y, turned_round(kernel, groups), size, low=low, high=high, groups=groups)
    return convolution(y, kernel, size, low=low, high=high, swap=True)  # oneDNN turns a large kernel faster than XLA


def kernel_gradient(x, y, window):
    """Clip by clip, a convolution of the clip with its output's gradient y as the kernel.

    It has no channels: those of the clip lie along the width, where they are positions like others.
    """
    channels, features = x.shape[4], y.shape[4]
    if window.kernel == (1, 1, 1) and not any(window.padding):
        x = x[:, *(slice(None, None, s) for s in window.stride)]
        return (x.reshape(-1, channels).T @ y.reshape(-1, features)).reshape(1, 1, 1, channels, features)

    def along_width(values):
        return *values[:2], values[2] * channels

    size, low = along_width(window.size), along_width(window.padding)
    dilation, wanted = along_width(window.stride), along_width(window.kernel)
    reach = [(m - 1) * d + k for m, d, k in zip(window.out, dilation, wanted)]
    high = [r - n - lo for r, n, lo in zip(reach, size, low)]
    kept = tuple(slice(0, n + min(0, hi)) for n, hi in zip(size, high))
    high = [max(0, hi) for hi in high]

    def add(total, clip_and_gradient):
        clip, gradient = clip_and_gradient
        clip = clip.reshape(size)[kept][None, ..., None]
        return total + convolution(clip, gradient[..., None, :], wanted, low=low, high=high, dilation=dilation), None

    total, _ = lax.scan(add, jnp.zeros((1, *wanted, features), x.dtype), (x, y))
    return total.reshape(*window.kernel, channels, features)
