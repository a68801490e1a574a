"""Batch normalisation with PyTorch's running variance."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
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
    def __call__(self, x: Float[Array | np.ndarray, "*axes channel"]) -> Float[Array, "*axes channel"]:
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
        """Mean and biased variance of each channel, and the number of values that they are of."""
        axes = tuple(range(x.ndim - 1))
        shared = self.axis_name is not None and not self.is_initializing()
        devices = lax.axis_size(self.axis_name) if shared else 1

        def mean_of(values):
            return lax.pmean(values.mean(axes), self.axis_name) if shared else values.mean(axes)

        x = x.astype(jnp.float32)
        mean = mean_of(x)
        return mean, mean_of(jnp.square(x - mean)), devices * x.size // x.shape[-1]
