"""A network computed block by block: equal blocks are compiled once, which is half the work for a deep network."""

from collections.abc import Callable
from dataclasses import fields

import flax.linen as nn
import jax
import jax.numpy as jnp

OWN = ("name", "parent")  # of a module, which its equals do not share


def blockwise(module: nn.Module, **options) -> Callable:
    """`module.apply`, in which each block of its trunk is a program of its own, compiled with `options`."""
    programs = {}

    def block(following, inputs, arguments, context):
        inner = context.module
        if context.method_name != "__call__" or not hasattr(inner.parent, "block_names"):
            return following(*inputs, **arguments)
        key = (type(inner), *(getattr(inner, each.name) for each in fields(inner) if each.name not in OWN))
        if key not in programs:
            programs[key] = jax.jit(inner.clone(parent=None, name=None).apply, **options)
        return programs[key](inner.variables, *inputs, **arguments)

    def apply(variables, x, **arguments):
        with nn.intercept_methods(block):
            return module.apply(variables, jnp.asarray(x), **arguments)

    return apply
