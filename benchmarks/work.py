"""How much there is to compute: multiply-adds of a network's convolutions."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from r3d_jax.models.blocks import Conv3D


def gflop(model, clip_shape):
    """Of the convolutions of one clip's forward pass, without products with the zeros of the padding."""
    total = 0

    def count(following, args, kwargs, context):
        nonlocal total
        out = following(*args, **kwargs)
        if isinstance(context.module, Conv3D):
            spec = context.module.spec
            products = math.prod(map(products_along, args[0].shape[1:4], spec.kernel, spec.stride))
            total += products * args[0].shape[-1] // spec.groups * out.shape[-1]
        return out

    clips = jnp.zeros((1, *clip_shape, model.trunk.input_planes))
    with nn.intercept_methods(count):
        jax.eval_shape(model.init, jax.random.key(0), clips)
    return 2e-9 * total


def products_along(size, width, stride):
    """Pairs of an output and a kernel position that meet an input on an axis padded by half the kernel."""
    firsts = range(-(width // 2), size + width // 2 - width + 1, stride)
    return sum(min(first + width, size) - max(first, 0) for first in firsts)
