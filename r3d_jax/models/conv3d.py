"""One 3-D convolution, by the fastest means that each platform has for it.

The sum of y * conv(x, k) is linear in each of x, k and y. Its three derivatives are the convolution itself and its
two gradients: one primitive, told which of the three is `wanted`, whose own derivatives are the other two. So they
can be differentiated as often as one likes, forwards and backwards.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float

from r3d_jax.models import depthwise, onednn, onednn_probe, stacked, taps
from r3d_jax.models.window import OPERANDS, Window, input_gradient, is_depthwise

Clips = Float[Array | np.ndarray, "clip time height width channel"]


def conv3d(
    x: Clips,
    kernel: Float[Array | np.ndarray, "kt kh kw channel_per_group feature"],
    stride: tuple[int, int, int] = (1, 1, 1),
    *,
    padding: tuple[int, int, int] = (0, 0, 0),
    groups: int = 1,
) -> Float[Array, "clip time2 height2 width2 feature"]:
    """The cross-correlation of clips with a kernel, which deep learning calls a convolution.

    For example, `conv3d(x, kernel, (1, 2, 2), padding=(1, 3, 3))` is a stem's. It can be jitted, mapped, exported and
    differentiated, as often as one likes.

    Args:
      x, kernel: of one type, float32 or bfloat16 for instance; the result is of it too.
      stride: in time, height and width.
      padding: zeros on both sides in time, height and width.
      groups: that channels and features are split into, each group convolved by itself; it must divide both.
    """
    window = Window(x.shape[1:4], kernel.shape[:3], tuple(stride), tuple(padding), groups)
    x, kernel = _varying_alike(jnp.asarray(x), jnp.asarray(kernel))
    return _conv3d.bind(x, kernel, wanted="y", window=window)


def _varying_alike(x, kernel):
    """Within `shard_map`, operands must vary over the same axes of the mesh."""
    axes = [jax.typeof(operand).manual_axis_type.varying for operand in (x, kernel)]
    return tuple(
        lax.pcast(operand, tuple(missing), to="varying") if missing else operand
        for operand, missing in ((x, axes[1] - axes[0]), (kernel, axes[0] - axes[1]))
    )


def _shape(a, b, wanted, window):
    if wanted == "y":
        return a.shape[0], *window.out, b.shape[4]
    if wanted == "x":
        return a.shape[0], *window.size, b.shape[3] * window.groups
    return *window.kernel, a.shape[4] // window.groups, b.shape[4]


def _by_transposing(forward, a, b, *, wanted, window):
    """By a forward convolution (x, kernel, window) and its transposes."""
    if wanted == "y":
        return forward(a, b, window)
    like = jax.ShapeDtypeStruct(_shape(a, b, wanted, window), a.dtype)
    if wanted == "x":
        return jax.linear_transpose(lambda x: forward(x, b, window), like)(a)[0]
    return jax.linear_transpose(lambda k: forward(a, k, window), like)(b)[0]


def _xla(x, kernel, window):
    return lax.conv_general_dilated(
        x,
        kernel,
        window.stride,
        [(p, p) for p in window.padding],
        dimension_numbers=("NDHWC", "DHWIO", "NDHWC"),
        feature_group_count=window.groups,
    )


native = partial(_by_transposing, _xla)
_stacked = partial(_by_transposing, stacked.convolution)


def portable(a, b, *, wanted, window):
    """By XLA's operations alone."""
    library = depthwise if is_depthwise(*_channels(a, b, wanted, window), window) else taps
    padding, groups = window.padding, window.groups
    if wanted == "y":
        return library.convolution(a, b, window.out, stride=window.stride, low=padding, high=padding, groups=groups)
    if wanted == "x":
        return input_gradient(a, b, window, partial(library.transposed, groups=groups))
    return library.kernel_gradient(a, b, window)


def _channels(a, b, wanted, window):
    """How many channels and features a convolution has."""
    return (b.shape[3] * window.groups, a.shape[4]) if wanted == "x" else (a.shape[4], b.shape[4])


WORTHWHILE = 3 * 10**6  # multiply-adds: for less, oneDNN gains nothing


def _worthwhile(a, b, *, wanted, window):
    """Whether oneDNN is the faster one, where it holds."""
    channels, features = _channels(a, b, wanted, window)
    together = channels * features // window.groups
    if not onednn.has(channels, features, wanted, window):
        return False
    many = window.kernel[1:] != (1, 1) and together // window.groups > 2**15
    if wanted == "k" and many and a.dtype == jnp.float32:
        return False  # of so many channels the taps are faster
    work = a.shape[0] * math.prod((*window.out, *window.kernel, together))
    return work >= WORTHWHILE


def _in_float32(form, a, b, **params):
    return form(a.astype(jnp.float32), b.astype(jnp.float32), **params).astype(a.dtype)


def form_for_cpu(a, b, *, wanted, window, exported):
    """The fastest form, and whether oneDNN is in it. Few processors multiply bfloat16; others take it as float32."""
    short = a.dtype == jnp.bfloat16
    # An exported program runs elsewhere, where nothing has been planned.
    if not exported and a.dtype == b.dtype and _worthwhile(a, b, wanted=wanted, window=window):
        kind = f"grouped {wanted}" if window.groups > 1 else wanted
        if onednn_probe.holds(a.dtype.name, kind):
            return onednn.convolution, True
        if short and onednn_probe.holds("float32", kind):
            return partial(_in_float32, onednn.convolution), True
    return partial(_in_float32, portable) if short else portable, False


def _lower_for_cpu(ctx, a, b, **params):
    exported = ctx.module_context.lowering_parameters.for_export
    form, _ = form_for_cpu(*ctx.avals_in, exported=exported, **params)
    return lower_whole(ctx, form, a, b, **params)


def lower_whole(ctx, form, *operands, **params):
    """Lowers a form; what its operands are computed from is not computed again within its slices and transposes."""

    def of_whole_operands(*operands, **params):
        return form(*lax.optimization_barrier(operands), **params)

    return mlir.lower_fun(of_whole_operands, multiple_results=False)(ctx, *operands, **params)


def _lower_for_nvidia(ctx, a, b, **params):
    form = _stacked if _stacked_is_faster(*ctx.avals_in, **params) else native
    return mlir.lower_fun(form, multiple_results=False)(ctx, a, b, **params)


def _stacked_is_faster(a, b, *, wanted, window):
    return window.groups == 1 and a.dtype == b.dtype == jnp.bfloat16  # what has been measured


def _transpose(position):
    """The rule for the operand at `position`: its gradient is the form in which it is the one wanted."""

    def rule(ct, *operands, wanted, window):
        names = OPERANDS[wanted]
        values = {wanted: ct} | {name: value for name, value in zip(names, operands) if name != names[position]}
        asked = names[position]
        return _conv3d.bind(*(values[name] for name in OPERANDS[asked]), wanted=asked, window=window)

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
    return a.update(shape=_shape(a, b, wanted, window), weak_type=False, sharding=whole)


_conv3d = Primitive("conv3d")
_conv3d.def_abstract_eval(_abstract)
_conv3d.def_impl(jax.jit(_conv3d.bind, static_argnames=("wanted", "window")))
ad.defbilinear(_conv3d, _transpose(0), _transpose(1))
batching.primitive_batchers[_conv3d] = _batched
mlir.register_lowering(_conv3d, mlir.lower_fun(native, multiple_results=False))
mlir.register_lowering(_conv3d, _lower_for_cpu, platform="cpu")
mlir.register_lowering(_conv3d, _lower_for_nvidia, platform="cuda")
