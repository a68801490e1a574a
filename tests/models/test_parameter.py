import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from flax.errors import ScopeParamShapeError

from r3d_jax.models.parameter import SHAPES, parameter


class Scale(nn.Module):
    size: int

    @nn.compact
    def __call__(self, x):
        return x * parameter(self, "scale", nn.initializers.normal(1.0), (self.size,))


def test_it_is_drawn_and_found_as_flaxs_own():
    class Own(Scale):
        @nn.compact
        def __call__(self, x):
            return x * self.param("scale", nn.initializers.normal(1.0), (self.size,), jnp.float32)

    x, key = jnp.ones(3), jax.random.key(1)
    variables = Scale(3).init(key, x)
    assert (variables["params"]["scale"] == Own(3).init(key, x)["params"]["scale"]).all()
    assert (Scale(3).apply(variables, x) == Own(3).apply(variables, x)).all()


def test_one_of_another_shape_is_refused():
    with pytest.raises(ScopeParamShapeError, match="scale"):
        Scale(3).apply({"params": {"scale": jnp.ones(1)}}, jnp.ones(3))


def test_for_shapes_alone_nothing_is_drawn():
    def never(*_):
        raise AssertionError

    class Undrawn(Scale):
        @nn.compact
        def __call__(self, x):
            return x * parameter(self, "scale", never, (self.size,))

    shapes = jax.eval_shape(Undrawn(3).init, {SHAPES: jax.random.key(0)}, jnp.ones(3))
    assert shapes["params"]["scale"] == jax.ShapeDtypeStruct((3,), jnp.float32)
