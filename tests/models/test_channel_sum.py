from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import close
from jax.sharding import PartitionSpec

from r3d_jax.models.channel_sum import channel_sum, spread

SHAPE = (2, 3, 4, 5)


@pytest.fixture
def x(rng):
    return rng.standard_normal(SHAPE).astype(np.float32)


def test_every_axis_but_the_channels_is_summed(x):
    close(jax.jit(channel_sum)(x), x.sum((0, 1, 2)))
    np.testing.assert_allclose(channel_sum(x[0, 0, 0]), x[0, 0, 0])


def test_each_is_the_others_transpose(x, rng):
    y = rng.standard_normal(SHAPE[-1]).astype(np.float32)
    (back,) = jax.linear_transpose(channel_sum, x)(y)
    np.testing.assert_array_equal(back, np.broadcast_to(y, SHAPE))
    np.testing.assert_array_equal(spread(y, SHAPE), back)
    (total,) = jax.linear_transpose(partial(spread, shape=SHAPE), y)(x)
    close(total, x.sum((0, 1, 2)))


@pytest.mark.slow
def test_they_can_be_mapped_and_differentiated_twice(x):
    def loss(x):
        return (spread(channel_sum(x) ** 2, x.shape) * x).sum()

    def plain(x):
        return (jnp.broadcast_to(x.sum((0, 1)) ** 2, x.shape) * x).sum()

    x = x[0, :2, :2]
    for derivative in (jax.grad, jax.hessian):
        close(jax.jit(derivative(loss))(x), jax.jit(derivative(plain))(x))
    mapped, expected = jax.jit(jax.vmap(jax.grad(loss), in_axes=1, out_axes=1)), jax.jit(jax.grad(plain))
    close(mapped(np.stack([x, 2 * x], 1)), np.stack([expected(x), expected(2 * x)], 1))


def test_on_a_cpu_one_axis_is_summed_after_the_other(x):
    lowered = jax.jit(channel_sum).lower(x).as_text()
    assert lowered.count("stablehlo.reduce(") == 3 and "optimization_barrier" in lowered


@pytest.mark.parametrize("count", [1, 16, 28, 37, 56, 112])
def test_on_a_cpu_few_values_are_summed_at_a_time(rng, count):
    """Of more than 32, XLA makes windows, before which all that is summed is computed and kept."""
    x = rng.standard_normal((2, count, 3), np.float32)
    squares = jax.jit(lambda x: channel_sum(jnp.square(x))).lower(x).compile()
    close(squares(x), np.square(x).sum((0, 1)))
    assert ("reduce-window" in squares.as_text()) == (count == 37)  # which has no divisors


def test_devices_sum_what_is_theirs(x, devices):
    mesh = jax.sharding.Mesh(devices, ("batch",))
    split = PartitionSpec("batch")
    summed = jax.shard_map(lambda x: channel_sum(x)[None], mesh=mesh, in_specs=split, out_specs=split)
    close(jax.jit(summed)(x), x.sum((1, 2)))
