"""What a network costs: its parameters, and the multiply-adds of one clip."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from r3d_jax.models.blocks import Conv3D
from r3d_jax.models.classifier import Classifier
from r3d_jax.models.head import Head


def parameters(model: Classifier) -> int:
    """Number of trained values: kernels, biases, batch norm's scales; not its running statistics."""
    frames = jnp.zeros((1, 1, 1, 1, model.trunk.input_planes))
    heads = tuple(head.clone(pool=None) for head in model.heads)
    shapes = jax.eval_shape(model.clone(heads=heads).init, jax.random.key(0), frames)
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes["params"]))


def multiply_adds(model: Classifier, clip_shape: tuple[int, int, int]) -> int:
    """Multiply-adds of the convolutions and linear layers for one clip of `clip_shape` (time, height, width).

    Zeros of the padding are counted as the literature counts them. Computes shapes alone.
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
        jax.eval_shape(model.init, jax.random.key(0), clips)
    return total
