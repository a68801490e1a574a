"""Sums over all axes but the channels', and their transpose, in the order that suits each platform.

They are primitives, each the transpose of the other, since a sum that autodiff makes of a broadcast would be XLA's.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float

FEW = 16  # values that are summed at a time


def channel_sum(x: Float[Array | np.ndarray, "*axes channel"]) -> Float[Array, "channel"]:
    """The sum over all axes but the last; on a CPU, one axis at a time, which is the more exact order too.

    For example, `channel_sum(jnp.ones((8, 56, 56, 64)))` is 25088 for each of the 64 channels.
    """
    return _sum.bind(jnp.asarray(x), kept=0)


def spread(x: Float[Array | np.ndarray, "channel"], shape: tuple[int, ...]) -> Float[Array, "*axes channel"]:
    """`x` broadcast to `shape`, whose last axis is the channels'; its transpose is `channel_sum`."""
    return _spread.bind(jnp.asarray(x), shape=tuple(shape), kept=0)


def _plain_sum(x, *, kept):
    return x.sum(range(kept, x.ndim - 1))


def _sum_by_axes(x, *, kept):
    """XLA turns a sum over many values into windows that take five times as long on a CPU.

    It does so with more than 32, before it sees that they could be computed as they are summed; hence few at a time.
    The barriers keep it from making one sum of these again.
    """
    while x.ndim > kept + 1:
        *others, count, channels = x.shape
        together = max(n for n in range(1, FEW + 1) if count % n == 0)
        if 1 < together < count:
            x = x.reshape(*others, count // together, together, channels)
        x = lax.optimization_barrier(x.sum(-2))
    return x


def _broadcast(x, *, shape, kept):
    return lax.broadcast_in_dim(x, shape, (*range(kept), len(shape) - 1))


def _shaped(x, shape):
    whole = x.sharding.update(spec=PartitionSpec(*[None] * len(shape)))
    return x.update(shape=shape, weak_type=False, sharding=whole)


def _mapped(primitive):
    def rule(operands, axes, *, kept, **params):
        x = jnp.moveaxis(operands[0], axes[0], 0)
        params = {name: (len(x), *shape) for name, shape in params.items()}
        return primitive.bind(x, kept=kept + 1, **params), 0

    return rule


# The first `kept` axes are those that `jax.vmap` maps over.
_sum, _spread = Primitive("channel_sum"), Primitive("channel_spread")
_sum.def_abstract_eval(lambda x, *, kept: _shaped(x, (*x.shape[:kept], x.shape[-1])))
_spread.def_abstract_eval(lambda x, *, shape, kept: _shaped(x, shape))
_sum.def_impl(jax.jit(_sum.bind, static_argnames="kept"))
_spread.def_impl(jax.jit(_spread.bind, static_argnames=("shape", "kept")))
ad.deflinear2(_sum, lambda ct, x, *, kept: [_spread.bind(ct, shape=x.aval.shape, kept=kept)])
ad.deflinear2(_spread, lambda ct, x, *, shape, kept: [_sum.bind(ct, kept=kept)])
batching.primitive_batchers[_sum] = _mapped(_sum)
batching.primitive_batchers[_spread] = _mapped(_spread)
mlir.register_lowering(_sum, mlir.lower_fun(_plain_sum, multiple_results=False))
mlir.register_lowering(_sum, mlir.lower_fun(_sum_by_axes, multiple_results=False), platform="cpu")
mlir.register_lowering(_spread, mlir.lower_fun(_broadcast, multiple_results=False))
