"""3-D convolutions as one 2-D convolution each, of frames stacked along their channels.

On an NVIDIA GPU, XLA gives 3-D convolutions to cuDNN with their channels first, and cuDNN turns clips round before each
and back after it. 2-D ones in bfloat16 stay as they are, and the channels of all temporal kernel positions (taps)
together make larger matrix products.
"""

import jax.numpy as jnp
from jax import lax

from r3d_jax.models.window import Window


def convolution(x, kernel, window: Window):
    """The cross-correlation of x [clip, t, h, w, channel] with kernel [kt, kh, kw, channel, feature], without groups.

    Returns:
      [clip, t2, h2, w2, feature].
    """
    size, frames, stride, low = window.out, x.shape[1], window.stride[0], window.padding[0]
    last = (size[0] - 1) * stride
    # Taps that meet zeros alone are left out: two of three where there is one frame.
    taps = [tap for tap in range(kernel.shape[0]) if last + tap >= low and tap < low + frames] or [0]
    x = jnp.pad(x, [(0, 0), (low, low), (0, 0), (0, 0), (0, 0)])
    stack = jnp.concatenate([x[:, tap : tap + last + 1 : stride] for tap in taps], -1)
    kernel = kernel[taps[0] : taps[-1] + 1].transpose(1, 2, 0, 3, 4)
    out = lax.conv_general_dilated(
        stack.reshape(-1, *stack.shape[2:]),
        kernel.reshape(*kernel.shape[:2], -1, kernel.shape[4]),
        window.stride[1:],
        [(p, p) for p in window.padding[1:]],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return out.reshape(x.shape[0], *size, -1)
