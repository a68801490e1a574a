import jax
import jax.numpy as jnp
import numpy as np
import pytest

from r3d_jax.models import conv3d, onednn_probe
from r3d_jax.models.conv3d import conv3d as convolve
from r3d_jax.models.equations import opened
from r3d_jax.models.followed import convolutions

SHAPE, KERNEL = (1, 2, 6, 6, 8), (1, 3, 3, 8, 8)


@pytest.fixture(autouse=True)
def here(monkeypatch):
    if not onednn_probe.holds("float32", "fused y"):
        pytest.skip("oneDNN's convolution does not hold here")
    monkeypatch.setattr(conv3d, "WORTHWHILE", 0)


def found(function, *more, shape=SHAPE, dtype=np.float32):
    """What is found in a function of a fixed kernel, a fixed row of channels, and clips."""
    kernel, row, x = (np.zeros(each, dtype) for each in (KERNEL, (1, 1, 1, 1, 8), shape))
    program = opened(jax.make_jaxpr(function)(kernel, row, x, *more))
    return convolutions(program, set(program.inputs[:2]))


def y(kernel, x):
    return convolve(x, kernel, padding=(0, 1, 1))


FOLLOWED = {  # operations that follow: (for each channel, whether a shortcut, whether a ReLU)
    "all": (lambda k, r, x: jax.nn.relu(y(k, x) * r + r + x), (["mul", "add"], True, True)),
    "a bias": (lambda k, r, x: jnp.tanh(y(k, x) + r), (["add"], False, False)),
    "a ReLU before the sum": (lambda k, r, x: jax.nn.relu(y(k, x)) + x, ([], False, True)),
    "a scale behind the sum": (lambda k, r, x: (r * y(k, x) + x) * r, (["mul"], True, False)),
    "another maximum": (lambda k, r, x: jnp.maximum(y(k, x) + r, 1), (["add"], False, False)),
}


@pytest.mark.parametrize("name", FOLLOWED)
def test_what_follows_is_taken_as_far_as_onednn_does_it(name):
    function, (affine, shortcut, relu) = FOLLOWED[name]
    (one,) = found(function)
    assert ([what for what, _ in one.affine], one.shortcut is not None, one.relu) == (affine, shortcut, relu)
    assert len(one.followers) == len(affine) + shortcut + relu


NOT = {
    "nothing follows": lambda k, r, x: jnp.tanh(y(k, x)),
    "it is asked for": lambda k, r, x: (lambda z: (z, z + r))(y(k, x)),
    "two take it": lambda k, r, x: (lambda z: z * jnp.tanh(z))(y(k, x)),
    "added to itself": lambda k, r, x: (lambda z: z + z)(y(k, x)),
    "a kernel that changes": lambda k, r, x: y(k * x.mean(), x) + r,
    "a product of clips": lambda k, r, x: y(k, x) * x,
    "a product with the clip's means": lambda k, r, x: y(k, x) * x.mean((0, 1, 2, 3), keepdims=True),
}


@pytest.mark.parametrize("name", NOT)
def test_otherwise_a_convolution_is_left(name):
    assert found(NOT[name]) == []


def test_a_sum_of_two_convolutions_is_one_ones(rng):
    first, second = found(lambda k, r, x: jax.nn.relu((y(k, x) + r) + (y(k, x) * r)))
    assert [each.shortcut is not None for each in (first, second)] == [True, False]
    assert (first.relu, second.relu) == (True, False)


def test_in_other_types_a_convolution_is_left(monkeypatch):
    def function(k, r, x):
        return y(k, x) + r

    assert len(found(function)) == 1
    monkeypatch.setattr(onednn_probe, "holds", lambda dtype, kind: kind == "y" or dtype == "float32")
    assert found(function, dtype=jnp.bfloat16) == []
    monkeypatch.setattr(onednn_probe, "holds", lambda dtype, kind: True)
    assert len(found(function, dtype=jnp.bfloat16)) == 1
