"""One 3-D convolution; the fastest lowering for each platform lives here and nowhere else.

The sum of y * conv(x, k) is linear in each of x, k and y. Its three derivatives are the convolution itself and its
two gradients: one primitive, told which of the three is `wanted`, whose own derivatives are the other two. So they
can be differentiated as often as one likes, forwards and backwards.
"""

import math
from itertools import product
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float

from r3d_jax.models import onednn

Clips = Float[Array | np.ndarray, "clip time height width channel"]


class Window(NamedTuple):
    """What a convolution slides over what; each but the last in time, height and width."""

    size: tuple[int, int, int]
    kernel: tuple[int, int, int]
    stride: tuple[int, int, int]
    padding: tuple[int, int, int]
    groups: int

    @property
    def out(self) -> tuple[int, int, int]:
        """Time, height and width of the output."""
        return tuple((n + 2 * p - k) // s + 1 for n, k, s, p in zip(*self[:4]))


def conv3d(
    x: Clips,
    kernel: Float[Array | np.ndarray, "kt kh kw channel_per_group feature"],
    stride: tuple[int, int, int] = (1, 1, 1),
    *,
    padding: tuple[int, int, int] = (0, 0, 0),
    groups: int = 1,
) -> Float[Array, "clip time2 height2 width2 feature"]:
    """Cross-correlation of `x` with `kernel`, zero-padded by `padding` on both sides of each axis."""
    window = Window(x.shape[1:4], kernel.shape[:3], tuple(stride), tuple(padding), groups)
    # Within `shard_map` both must vary over the same axes of the mesh; this makes them.
    x, kernel = (jnp.asarray(operand) for operand in (x, kernel))
    varying = [jax.typeof(operand).manual_axis_type.varying for operand in (x, kernel)]
    x, kernel = (
        lax.pcast(operand, tuple(axes), to="varying") if axes else operand
        for operand, axes in ((x, varying[1] - varying[0]), (kernel, varying[0] - varying[1]))
    )
    return _conv3d.bind(x, kernel, wanted="y", window=window)


# The operands of each form, in order: x [clip, t, h, w, channel], k [kt, kh, kw, channel / groups, feature] and
# y [clip, t2, h2, w2, feature].
_OPERANDS = {"y": "xk", "x": "yk", "k": "xy"}


def _shape(a, b, *, wanted, window):
    if wanted == "y":
        return a.shape[0], *window.out, b.shape[4]
    if wanted == "x":
        return a.shape[0], *window.size, b.shape[3] * window.groups
    return *window.kernel, a.shape[4] // window.groups, b.shape[4]


def _native(a, b, *, wanted, window):
    """By XLA's own convolution and its transposes."""
    return _transposed(_by_lax, a, b, wanted, window)


def _taps(a, b, *, wanted, window):
    """By 2-D convolutions, one for each temporal kernel position, and their transposes."""
    return _transposed(_by_taps, a, b, wanted, window)


def _transposed(forward, a, b, wanted, window):
    if wanted == "y":
        return forward(a, b, window)
    missing = jax.ShapeDtypeStruct(_shape(a, b, wanted=wanted, window=window), a.dtype)
    if wanted == "x":
        return jax.linear_transpose(lambda x: forward(x, b, window), missing)(a)[0]
    return jax.linear_transpose(lambda k: forward(a, k, window), missing)(b)[0]


def _by_lax(x, kernel, window):
    return lax.conv_general_dilated(
        x,
        kernel,
        window.stride,
        [(p, p) for p in window.padding],
        dimension_numbers=("NDHWC", "DHWIO", "NDHWC"),
        feature_group_count=window.groups,
    )


def _by_taps(x, kernel, window):
    """XLA's CPU backend has fast 2-D convolutions and gradients but slow 3-D ones, hopeless at a stride.

    A tap is applied only to the frames that it meets, so the zero frames of the padding cost nothing.
    """
    clips, time = x.shape[:2]
    step, pad, last_out = window.stride[0], window.padding[0], window.out[0] - 1
    total = None
    for tap in range(window.kernel[0]):
        # Output frame t reads input frame t * step + tap - pad; keep the t for which that frame exists.
        first = max(0, -((tap - pad) // step))
        last = min(last_out, (time - 1 + pad - tap) // step)
        if first > last:
            continue
        start = first * step + tap - pad
        frames = x[:, start : start + (last - first) * step + 1 : step]
        out = lax.conv_general_dilated(
            frames.reshape(-1, *x.shape[2:]),
            kernel[tap],
            window.stride[1:],
            [(p, p) for p in window.padding[1:]],
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=window.groups,
        )
        out = out.reshape(clips, last - first + 1, *out.shape[1:])
        out = jnp.pad(out, [(0, 0), (first, last_out - last), (0, 0), (0, 0), (0, 0)])
        total = out if total is None else total + out
    return total


def _output(x, kernel, window):
    padding = window.padding
    return onednn.convolution(x, kernel, window.out, stride=window.stride, low=padding, high=padding)


def _input_gradient(y, kernel, window):
    """One convolution at stride 1 for each phase of the stride: the inputs that meet the same kernel positions."""
    stride, padding = window.stride, window.padding
    size = tuple(-(-n // s) for n, s in zip(window.size, stride))  # of a phase, the shorter ones filled up
    phases = []
    for phase in product(*map(range, stride)):
        # Input i = phase + stride * j meets output o at kernel position i + padding - stride * o.
        first = [(r + p) % s for r, p, s in zip(phase, padding, stride)]
        part = kernel[tuple(slice(f, None, s) for f, s in zip(first, stride))]
        if 0 in part.shape:
            phases.append(jnp.zeros((y.shape[0], *size, kernel.shape[3]), y.dtype))
            continue
        newest = [(r + p) // s for r, p, s in zip(phase, padding, stride)]  # output met at j = 0, position `first`
        low = [k - 1 - o for k, o in zip(part.shape, newest)]
        high = [n - 1 + o - (m - 1) for n, o, m in zip(size, newest, window.out)]
        kept = tuple(slice(max(0, -lo), n - max(0, -hi)) for lo, hi, n in zip(low, high, window.out))
        low, high = ([max(0, zeros) for zeros in side] for side in (low, high))
        flipped = jnp.flip(part, (0, 1, 2))
        phases.append(onednn.convolution(y[:, *kept], flipped, size, low=low, high=high, swap=True))
    if len(phases) == 1:
        return phases[0]
    whole = jnp.stack(phases).reshape(*stride, *phases[0].shape).transpose(3, 4, 0, 5, 1, 6, 2, 7)
    whole = whole.reshape(y.shape[0], *(n * s for n, s in zip(size, stride)), -1)
    return whole[:, : window.size[0], : window.size[1], : window.size[2]]


def _kernel_gradient(x, y, window):
    """Clip by clip, a convolution of the clip with its output's gradient as the kernel.

    It has no channels: those of the clip lie along the width, where they are positions like others.
    """
    channels, features = x.shape[4], y.shape[4]
    if window.kernel == (1, 1, 1):
        x = x[:, *(slice(None, None, s) for s in window.stride)]
        return (x.reshape(-1, channels).T @ y.reshape(-1, features)).reshape(1, 1, 1, channels, features)

    def along_width(values):
        return *values[:2], values[2] * channels

    size, low = along_width(window.size), along_width(window.padding)
    dilation, wanted = along_width(window.stride), along_width(window.kernel)
    reach = [(n - 1) * d + k for n, d, k in zip(window.out, dilation, wanted)]
    high = [r - n - lo for r, n, lo in zip(reach, size, low)]
    kept = tuple(slice(0, n + min(0, hi)) for n, hi in zip(size, high))
    high = [max(0, hi) for hi in high]
    total = 0
    for clip, gradient in zip(x, y):
        clip = clip.reshape(size)[kept][None, ..., None]
        total += onednn.convolution(clip, gradient[..., None, :], wanted, low=low, high=high, dilation=dilation)
    return total.reshape(*window.kernel, channels, features)


def _onednn(a, b, *, wanted, window):
    return {"y": _output, "x": _input_gradient, "k": _kernel_gradient}[wanted](a, b, window)


WORTHWHILE = 10**8  # multiply-adds, about a millisecond: below it, setting oneDNN up costs as much as it saves


def _onednn_is_faster(a, b, *, wanted, window):
    if not (onednn.available() and a.dtype == b.dtype == jnp.float32 and window.groups == 1):
        return False
    channels, features = a.shape[4], b.shape[3 if wanted == "x" else 4]
    if wanted == "k" and window.kernel != (1, 1, 1) and channels * features > 2**15:
        return False  # with so many, the taps' kernel gradient is the faster one
    return a.shape[0] * math.prod((*window.out, *window.kernel, channels, features)) >= WORTHWHILE


def _lower_for_cpu(ctx, a, b, **params):
    # An exported program runs elsewhere, where XLA may not have the call.
    portable = ctx.module_context.lowering_parameters.for_export
    if portable or not _onednn_is_faster(*ctx.avals_in, **params):
        return mlir.lower_fun(_taps, multiple_results=False)(ctx, a, b, **params)
    # XLA fails to store programs with the call, and JAX's compilation cache stores none that have a host callback.
    ctx.module_context.add_host_callback(_never_called)
    return mlir.lower_fun(_onednn, multiple_results=False)(ctx, a, b, **params)


def _never_called(*_):
    raise AssertionError("this callback only marks programs that cannot be stored")


def _transpose(position):
    """The rule for the operand at `position`: its gradient is the form in which it is the one wanted."""

    def rule(ct, *operands, wanted, window):
        names = _OPERANDS[wanted]
        values = {wanted: ct} | {name: value for name, value in zip(names, operands) if name != names[position]}
        asked = names[position]
        return _conv3d.bind(*(values[name] for name in _OPERANDS[asked]), wanted=asked, window=window)

    return rule


def _batched(operands, axes, *, wanted, window):
    """Mapped clips are more clips; a mapped kernel, or a kernel's gradient, is taken one at a time."""
    a, b = operands
    if wanted != "k" and axes[1] is None:
        a = jnp.moveaxis(a, axes[0], 0)
        out = _conv3d.bind(a.reshape(-1, *a.shape[2:]), b, wanted=wanted, window=window)
        return out.reshape(*a.shape[:2], *out.shape[1:]), 0
    mapped = {i: jnp.moveaxis(x, axis, 0) for i, (x, axis) in enumerate(zip(operands, axes)) if axis is not None}
    return lax.map(lambda one: _conv3d.bind(one.get(0, a), one.get(1, b), wanted=wanted, window=window), mapped), 0


def _abstract(a, b, *, wanted, window):
    whole = a.sharding.update(spec=PartitionSpec(*[None] * 5))
    return a.update(shape=_shape(a, b, wanted=wanted, window=window), weak_type=False, sharding=whole)


_conv3d = Primitive("conv3d")
_conv3d.def_abstract_eval(_abstract)
_conv3d.def_impl(jax.jit(_conv3d.bind, static_argnames=("wanted", "window")))
ad.defbilinear(_conv3d, _transpose(0), _transpose(1))
batching.primitive_batchers[_conv3d] = _batched
mlir.register_lowering(_conv3d, mlir.lower_fun(_native, multiple_results=False))
mlir.register_lowering(_conv3d, _lower_for_cpu, platform="cpu")
