"""The gradient of a 3-D convolution's kernel by oneDNN, of whose operations XLA calls the forward convolution alone.

It is such a convolution, or a product of matrices; the sizes say how much of it is best computed at once.
"""

import math

import jax.numpy as jnp
from jax import lax

from r3d_jax.models.onednn import convolution
from r3d_jax.models.window import Window, met_at_tap

VECTOR = 16  # channels, of a processor with AVX-512
FEW = 1000  # outputs of a clip; of fewer, adding up kernels clip by clip takes longer than computing them


def kernel_gradient(x, y, window):
    """The gradient with respect to the kernel [kt, kh, kw, channel / groups, feature] of a convolution.

    Args:
      x: clips [clip, t, h, w, channel].
      y: the output's gradient [clip, t2, h2, w2, feature].
      window: of the convolution.
    """
    if window.groups > 1:
        return _of_groups(x, y, window)
    by_tap = math.prod(window.out) < FEW or window.kernel == (1, 1, 1)
    return (_tap_by_tap if by_tap else _clip_by_clip)(x, y, window).astype(x.dtype)


def _is_product(window):
    """Whether a tap's gradient is a product of matrices."""
    return window.kernel[1:] == (1, 1) and not any(window.padding[1:])


def _tap_by_tap(x, y, window):
    """Of the frames that a tap meets, those of all clips together: none is padding, and no kernels are added up."""
    of_frames = _product if _is_product(window) else _along_width

    def of_tap(tap):
        met = met_at_tap(tap, x, y, window)
        if not met:
            return jnp.zeros((1, *window.kernel[1:], x.shape[4], y.shape[4]), jnp.float32)
        in_time = (len(met[0]), 1, 1, 0)  # size, kernel, stride and padding: every frame has an output of its own
        return of_frames(*met, Window(*((n, *axes[1:]) for n, axes in zip(in_time, window)), groups=1))

    return jnp.concatenate([of_tap(tap) for tap in range(window.kernel[0])])


def _product(frames, outputs, window):
    """[1, 1, 1, channel, feature] of frames [frame, h, w, channel] and their outputs' [frame, h2, w2, feature]."""
    frames = frames[:, :: window.stride[1], :: window.stride[2]]
    x, y = (values.astype(jnp.float32).reshape(-1, values.shape[3]) for values in (frames, outputs))
    return (x.T @ y)[None, None, None]  # XLA's product is exact


def _clip_by_clip(x, y, window):
    """The sum of every clip's."""

    def add(total, clip):
        return total + _along_width(*clip, window), None

    return lax.scan(add, jnp.zeros((*window.kernel, x.shape[4], y.shape[4]), jnp.float32), (x, y))[0]


def _along_width(clip, outputs, window):
    """[kt, kh, kw, channel, feature] of a clip [t, h, w, channel] and its output's gradient [t2, h2, w2, feature].

    It is a convolution of the clip with that gradient as the kernel. It has no channels: those of the clip lie along
    the width, where they are positions like others.
    """
    channels = clip.shape[3]

    def wide(values):
        return *values[:2], values[2] * channels

    size, wanted, dilation, low = map(wide, window[:4])
    kept, high = _met(size, low, dilation, window.out, wanted)
    options = {"low": low, "high": high, "dilation": dilation, "out": jnp.float32}
    total = convolution(clip.reshape(size)[kept][None, ..., None], outputs[..., None, :], wanted, **options)
    return total.reshape(*window.kernel, channels, outputs.shape[3])


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
