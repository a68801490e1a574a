"""What a network costs: its parameters, and the multiply-adds of one clip."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from r3d_jax.models.blocks import Conv3D
from r3d_jax.models.classifier import Classifier
from r3d_jax.models.head import Head
from r3d_jax.models.shapes import abstract_init


class Cost(NamedTuple):
    """What a network costs.

    Attributes:
      parameters: trained values; batch norm's running statistics are not among them.
      multiply_adds: products of one clip, each with the addition of it, in convolutions and linear layers.
    """

    parameters: int
    multiply_adds: int


def cost(model: Classifier, clip_shape: tuple[int, int, int]) -> Cost:
    """Counts the parameters of a network and the multiply-adds that a clip takes, from shapes alone.

    Products with the padding's zeros are counted too, as the literature does. For example,
    `cost(build("r3d_18", 400), (8, 112, 112)).multiply_adds` is 20.35e9.

    Args:
      clip_shape: time, height and width.

    Raises:
      InputError: an option of the network that does not exist; a clip that is too small for a head's pool.
    """

    def products(module, x, out):
        if isinstance(module, Conv3D):
            return math.prod(out.shape[1:]) * math.prod(module.variables["params"]["kernel"].shape[:-1])
        if isinstance(module, Head):
            grid = x.shape[1:4]
            cells = math.prod(g - p + 1 for g, p in zip(grid, module.pool or grid))
            return cells * math.prod(module.variables["params"]["kernel"].shape)
        return 0

    shapes, total = _summed(model, clip_shape, products)
    return Cost(sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes["params"])), total)


def activations(model: Classifier, clip_shape: tuple[int, int, int]) -> int:
    """How many values the convolutions of a network give for a clip, from shapes alone: what training has to keep.

    Args:
      clip_shape: time, height and width.

    Raises:
      InputError: an option of the network that does not exist; a clip that is too small for a head's pool.
    """
    return _summed(model, clip_shape, lambda module, x, out: isinstance(module, Conv3D) and math.prod(out.shape[1:]))[1]


def parameters(model: Classifier) -> int:
    """The number of trained values of a network, which does not depend on the clip.

    Raises:
      InputError: an option of the network that does not exist.
    """
    heads = tuple(head.clone(pool=None) for head in model.heads)
    return cost(model.clone(heads=heads), (model.trunk.enough_frames(), 1, 1)).parameters


def _summed(model, clip_shape, of_call):
    """(shapes of the variables, sum of `of_call` (module, its input, its output) over all calls of one clip's pass)."""
    clips = jax.ShapeDtypeStruct((1, *clip_shape, model.trunk.input_planes), jnp.float32)
    return abstract_init(model, clips, of_call=of_call)[1:]
