"""A module's parameter, without what flax does at every call to check that it is the one that was meant."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.errors import ScopeParamShapeError
from jaxtyping import Array, Float

SHAPES = "shapes"


def parameter(
    module: nn.Module, name: str, init: nn.initializers.Initializer, shape: tuple[int, ...]
) -> Float[Array | np.ndarray, "..."]:
    """The parameter `name` of `module`, of `shape`, in float32 where `init` draws it.

    `module.param` traces `init` again wherever the parameter exists, to compare the shapes: half of the time that it
    takes to trace a network. Here the shapes are compared as they are.

    Under a random stream called `SHAPES`, whose key is not looked at, what is missing is zeros: where only shapes are
    asked for, tracing what draws them is the other half.

    Raises:
      ScopeParamShapeError: the parameter exists and has another shape.
    """
    if not module.has_variable("params", name):
        if module.has_rng(SHAPES):
            return module.variable("params", name, jnp.zeros, shape, jnp.float32).value
        return module.param(name, init, shape, jnp.float32)
    value = module.get_variable("params", name)
    if value.shape != shape:
        raise ScopeParamShapeError(name, module.scope.path_text, value.shape, shape)
    return value
