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
    """Numbers of trained values (not batch norm's running statistics) and of multiply-adds."""

    parameters: int
    multiply_adds: int


def cost(model: Classifier, clip_shape: tuple[int, int, int]) -> Cost:
    """The parameters, and the multiply-adds of convolutions and linear layers for a clip (time, height, width).

    Zeros of the padding are counted, as the literature does. Computes shapes alone.
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


def parameters(model: Classifier) -> int:
    """Number of trained values, whatever the clip."""
    heads = tuple(head.clone(pool=None) for head in model.heads)
    return cost(model.clone(heads=heads), (1, 1, 1)).parameters
