"""What a network costs: its parameters, and the multiply-adds of one clip."""

import math
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from r3d_jax.models.blocks import Conv3D
from r3d_jax.models.classifier import Classifier
from r3d_jax.models.head import Head


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
    total = 0

    def count(following, args, kwargs, context):
        nonlocal total
        out, module = following(*args, **kwargs), context.module
        if context.method_name == "__call__" and isinstance(module, Conv3D):
            total += math.prod(out.shape[1:]) * math.prod(module.variables["params"]["kernel"].shape[:-1])
        if context.method_name == "__call__" and isinstance(module, Head):
            grid = args[0].shape[1:4]
            cells = math.prod(g - p + 1 for g, p in zip(grid, module.pool or grid))
            total += cells * math.prod(module.variables["params"]["kernel"].shape)
        return out

    clips = jnp.zeros((1, *clip_shape, model.trunk.input_planes))
    with nn.intercept_methods(count):
        shapes = jax.eval_shape(model.init, jax.random.key(0), clips)
    return Cost(sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes["params"])), total)


def activations(model: Classifier, clip_shape: tuple[int, int, int]) -> int:
    """How many values the convolutions of a network give for a clip, from shapes alone: what training has to keep.

    Args:
      clip_shape: time, height and width.

    Raises:
      InputError: an option of the network that does not exist; a clip that is too small for a head's pool.
    """
    total = 0

    def count(following, args, kwargs, context):
        nonlocal total
        out = following(*args, **kwargs)
        if context.method_name == "__call__" and isinstance(context.module, Conv3D):
            total += math.prod(out.shape[1:])
        return out

    with nn.intercept_methods(count):
        jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, *clip_shape, model.trunk.input_planes)))
    return total


def parameters(model: Classifier) -> int:
    """The number of trained values of a network, which does not depend on the clip.

    Raises:
      InputError: an option of the network that does not exist.
    """
    heads = tuple(head.clone(pool=None) for head in model.heads)
    return cost(model.clone(heads=heads), (model.trunk.enough_frames(), 1, 1)).parameters
