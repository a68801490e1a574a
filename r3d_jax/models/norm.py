"""Batch normalisation with PyTorch's running variance."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from r3d_jax.models.channel_sum import channel_sum, spread
from r3d_jax.models.own_help import OwnHelp
from r3d_jax.models.parameter import parameter


class BatchNorm(nn.Module, metaclass=OwnHelp):
    """Batch norm over all axes but the last (Ioffe & Szegedy, arXiv:1502.03167).

    As in PyTorch, a batch is normalised by its biased variance while the running variance takes the unbiased
    one; Flax's own module uses the biased variance for both.

    Attributes:
      train: normalise by the batch's statistics and update the running ones.
      frozen: in training, normalise by the running statistics and keep them.
      axis_name: mapped axis over which a training batch's statistics are averaged; None keeps them local.
      scale_init: what the scale starts from.
      momentum: part of the running statistics that an update keeps: 1 less PyTorch's `momentum`.
      epsilon: added to the variance.
    """

    train: bool
    frozen: bool = False
    axis_name: str | None = None
    scale_init: nn.initializers.Initializer = nn.initializers.ones
    momentum: float = 0.9
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x: Float[Array | np.ndarray, "*axes channel"]) -> Float[Array, "*axes channel"]:
        """The values normalised, then scaled and shifted, for each channel; of the type that they came in.

        In training, `batch_stats` must be mutable: `mean` and `var` are the running statistics, in float32.
        """
        channels = x.shape[-1]
        scale = parameter(self, "scale", self.scale_init, (channels,))
        bias = parameter(self, "bias", nn.initializers.zeros, (channels,))
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, (channels,), jnp.float32)
        running_var = self.variable("batch_stats", "var", jnp.ones, (channels,), jnp.float32)
        mean, var = running_mean.value, running_var.value
        if self.train and not self.frozen:
            mean, var, count = self._batch_statistics(x)
            if not self.is_initializing():
                unbiased = var * (count / max(count - 1, 1))
                running_mean.value = self.momentum * running_mean.value + (1 - self.momentum) * mean
                running_var.value = self.momentum * running_var.value + (1 - self.momentum) * unbiased
        factor = scale * lax.rsqrt(var + self.epsilon)
        if not self.train:
            return (x * factor + (bias - mean * factor)).astype(x.dtype)
        return (x * spread(factor, x.shape) + spread(bias - mean * factor, x.shape)).astype(x.dtype)

    def _batch_statistics(self, x):
        """Mean and biased variance of each channel, and the number of values that they are of."""
        shared = self.axis_name is not None and not self.is_initializing()
        axis_name = self.axis_name if shared else None
        devices = lax.axis_size(axis_name) if shared else 1
        mean, var = _moments(x.astype(jnp.promote_types(x.dtype, jnp.float32)), axis_name)
        return mean, var, devices * x.size // x.shape[-1]


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def _moments(x, axis_name):
    """Mean and biased variance over all axes but the last, and over `axis_name`."""
    mean = _mean(x, axis_name)
    return mean, _mean(jnp.square(x - mean), axis_name)


@_moments.defjvp
def _moments_jvp(axis_name, primals, tangents):
    # Derived step by step, the variance would sum x - mean once more, which is zero.
    (x,), (dx,) = primals, tangents
    mean, var = _moments(x, axis_name)
    centred = x - spread(mean, x.shape)
    return (mean, var), (_mean(dx, axis_name), 2 * _mean(centred * dx, axis_name))


def _mean(x, axis_name):
    mean = channel_sum(x) / (x.size // x.shape[-1])
    return mean if axis_name is None or lax.axis_size(axis_name) == 1 else lax.pmean(mean, axis_name)
