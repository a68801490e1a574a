"""Batch normalisation with PyTorch's running variance."""

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


class BatchNorm(nn.Module):
    """Batch norm over all axes but the last (Ioffe & Szegedy, arXiv:1502.03167).

    As in PyTorch, a batch is normalised by its biased variance while the running variance takes the unbiased
    one; Flax's own module uses the biased variance for both.

    Attributes:
      train: normalise by the batch's statistics and update the running ones.
      axis_name: mapped axis over which a training batch's statistics are averaged; None keeps them local.
    """

    train: bool
    axis_name: str | None = None
    scale_init: nn.initializers.Initializer = nn.initializers.ones
    momentum: float = 0.9
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x: Float[Array, "*axes channel"]) -> Float[Array, "*axes channel"]:
        channels = x.shape[-1]
        scale = self.param("scale", self.scale_init, (channels,), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (channels,), jnp.float32)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, (channels,), jnp.float32)
        running_var = self.variable("batch_stats", "var", jnp.ones, (channels,), jnp.float32)
        mean, var = running_mean.value, running_var.value
        if self.train:
            mean, var, count = self._batch_statistics(x)
            if not self.is_initializing():
                unbiased = var * (count / max(count - 1, 1))
                running_mean.value = self.momentum * running_mean.value + (1 - self.momentum) * mean
                running_var.value = self.momentum * running_var.value + (1 - self.momentum) * unbiased
        factor = scale * lax.rsqrt(var + self.epsilon)
        return (x * factor + (bias - mean * factor)).astype(x.dtype)

    def _batch_statistics(self, x):
        axes = tuple(range(x.ndim - 1))
        count = x.size // x.shape[-1]
        across = (lambda v: v) if self.axis_name is None or self.is_initializing() else self._mean_of_devices
        if across is self._mean_of_devices:
            count *= lax.axis_size(self.axis_name)
        x = x.astype(jnp.float32)
        mean = across(x.mean(axes))
        return mean, across(jnp.square(x - mean).mean(axes)), count

    def _mean_of_devices(self, value):
        return lax.pmean(value, self.axis_name)
