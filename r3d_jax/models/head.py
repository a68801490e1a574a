"""The dense head: one linear layer at every cell of a pooled grid, averaged (fully convolutional)."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from r3d_jax.errors import InputError
from r3d_jax.models.blocks import Conv3D, ConvSpec
from r3d_jax.models.conv3d import Clips
from r3d_jax.models.own_help import OwnHelp
from r3d_jax.models.parameter import parameter

ACTIVATIONS = {"softmax": jax.nn.softmax, "sigmoid": jax.nn.sigmoid, "identity": lambda logits: logits}
AVERAGES = ("logits", "probabilities", "clip_probabilities")


class Head(nn.Module, metaclass=OwnHelp):
    """Logits from features: average pool, dropout, a linear layer at each cell of the pooled grid, the cells' mean.

    After ClassyVision's `FullyConvolutionalLinearHead`: a clip that is larger than the pool gives several cells, so
    that a network tests whole frames with what it has learned from crops.

    Attributes:
      num_classes: columns of the logits; 0: no linear layer, what comes out are the features that it would see.
      block: the trunk's block that it reads; empty: the last.
      pool: kernel of the average pool, stride 1, in cells (time, height, width); None pools everything.
      dropout: share of pooled features dropped in training, or of hidden ones.
      activation: what turns logits into probabilities: one of ACTIVATIONS.
      average: what is averaged, over cells here and over views in `predict_fn`: one of AVERAGES; "clip_probabilities"
        are the logits of cells, and the probabilities of views, as PyTorchVideo has them.
      unique_id: what a ClassyVision state dict calls it; only one of several heads may keep the default.
      hidden: channels of a 1x1x1 convolution and a ReLU between pool and dropout, which X3D has; 0: neither.
    """

    num_classes: int
    block: str = ""
    pool: tuple[int, int, int] | None = None
    dropout: float = 0.0
    activation: str = "softmax"
    average: str = "logits"
    unique_id: str = "default_head"
    hidden: int = 0

    @nn.compact
    def __call__(self, x: Clips, *, train: bool = False) -> Float[Array, "clip class"]:
        """One row of logits for each clip, in float32 at least.

        Args:
          x: the features of the block that the head reads.
          train: drop features; draws from the random stream "dropout".

        Raises:
          InputError: an option that does not exist; a grid smaller than the pool; a training clip that pools to
            more than one cell.
        """
        self._check(x.shape[1:4], train)
        x = x.mean((1, 2, 3), keepdims=True) if self.pool is None else nn.avg_pool(x, self.pool)
        if self.hidden:
            x = nn.relu(Conv3D(ConvSpec(self.hidden, (1, 1, 1)), name="hidden")(x))
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        if not self.num_classes:
            return x.mean((1, 2, 3)).astype(jnp.promote_types(x.dtype, jnp.float32))
        bound = 1 / math.sqrt(x.shape[-1])  # PyTorch's default for a linear layer, which the reference keeps
        kernel = parameter(self, "kernel", _uniform(bound), (x.shape[-1], self.num_classes))
        bias = parameter(self, "bias", _uniform(bound), (self.num_classes,))
        logits = x @ kernel.astype(x.dtype) + bias.astype(x.dtype)
        logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
        of = "probabilities" if self.average == "probabilities" else "logits"
        return average(logits, (1, 2, 3), activation=self.activation, of=of)

    def _check(self, grid, train):
        if self.activation not in ACTIVATIONS:
            raise InputError(f"`activation` (={self.activation!r}) must be one of {', '.join(ACTIVATIONS)}")
        if self.average not in AVERAGES:
            raise InputError(f"`average` (={self.average!r}) must be one of {', '.join(AVERAGES)}")
        pool = self.pool or grid
        if any(p > g for p, g in zip(pool, grid)):
            raise InputError(
                f"`pool` (={pool}) is larger than the {grid} grid (time, height, width) that this clip leaves; "
                "use a larger clip, a smaller pool, or None to pool everything"
            )
        if train and tuple(pool) != tuple(grid):
            cells = " x ".join(str(g - p + 1) for p, g in zip(pool, grid))
            raise InputError(
                f"a training clip must pool to one cell, since each clip has one label: `pool` (={pool}) over the "
                f"{grid} grid that this clip leaves gives {cells} cells; set the pool to {grid}, or None, or train "
                "on smaller clips"
            )


def average(
    logits: Float[Array | np.ndarray, "... class"],
    axes: tuple[int, ...],
    *,
    activation: str = "softmax",
    of: str = "logits",
) -> Float[Array, "... class"]:
    """The mean over `axes`, as logits: of the logits themselves, or of their probabilities and back.

    The mean probability p comes back as log p after softmax and as log p - log(1 - p) after sigmoid, so that the
    activation gives p again and a cross-entropy of the result is the one of p.

    Args:
      axes: of `logits`, not its last.
      activation: what makes probabilities of logits: one of ACTIVATIONS; with "identity" they are the logits.
      of: "logits" or "probabilities".
    """
    count = math.prod(logits.shape[axis] for axis in axes)
    if of == "logits" or activation == "identity" or count == 1:
        return jnp.mean(logits, axes)

    def log_mean(log_probabilities):
        # In an exported program, which takes any number of views, the count is a formula: `math.log` has no use for it.
        return jax.nn.logsumexp(log_probabilities, axes) - jnp.log(jnp.asarray(count, log_probabilities.dtype))

    if activation == "softmax":
        return log_mean(jax.nn.log_softmax(logits))
    return log_mean(jax.nn.log_sigmoid(logits)) - log_mean(jax.nn.log_sigmoid(-logits))


def _uniform(bound):
    return lambda key, shape, dtype: jax.random.uniform(key, shape, dtype, -bound, bound)
