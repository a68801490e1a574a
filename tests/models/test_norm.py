from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from r3d_jax.models.norm import BatchNorm

VARIABLES = {
    "params": {"scale": np.array([2.0, 3.0]), "bias": np.array([1.0, -1.0])},
    "batch_stats": {"mean": np.array([0.5, 0.0]), "var": np.array([4.0, 1.0])},
}


@pytest.fixture(autouse=True)
def float64():
    """So that what is the same but for the order of sums is the same."""
    with jax.enable_x64(True):
        yield


def train(x, axis_name=None):
    return BatchNorm(train=True, axis_name=axis_name).apply(VARIABLES, x, mutable=["batch_stats"])


def test_a_batch_is_normalised_by_its_biased_variance(rng):
    x = rng.standard_normal((3, 2, 5, 2))
    y, _ = jax.jit(train)(x)
    axes = (0, 1, 2)
    expected = (x - x.mean(axes)) / np.sqrt(x.var(axes) + 1e-5) * [2, 3] + [1, -1]
    np.testing.assert_allclose(y, expected, rtol=1e-9)


def test_the_running_variance_takes_the_unbiased_one(rng):
    x = rng.standard_normal((3, 2))
    _, updated = jax.jit(train)(x)
    statistics = updated["batch_stats"]
    np.testing.assert_allclose(statistics["var"], 0.9 * np.array([4, 1]) + 0.1 * x.var(0, ddof=1), rtol=1e-9)
    np.testing.assert_allclose(statistics["mean"], 0.9 * np.array([0.5, 0]) + 0.1 * x.mean(0), rtol=1e-9)


def test_testing_uses_the_running_statistics_alone(rng):
    x = rng.standard_normal((3, 2))
    y = BatchNorm(train=False).apply(VARIABLES, x)
    np.testing.assert_allclose(y, (x - [0.5, 0]) / np.sqrt([4.00001, 1.00001]) * [2, 3] + [1, -1], rtol=1e-9)


def test_statistics_are_shared_by_the_devices_only_when_an_axis_is_named(rng, devices):
    x = rng.standard_normal((2, 4, 3, 2))
    whole, updated = jax.jit(train)(x.reshape(8, 3, 2))
    shared, updates = jax.pmap(partial(train, axis_name="batch"), axis_name="batch", devices=devices)(x)
    np.testing.assert_allclose(shared.reshape(8, 3, 2), whole, rtol=1e-9)
    np.testing.assert_allclose(updates["batch_stats"]["var"][0], updated["batch_stats"]["var"], rtol=1e-9)
    local, _ = jax.pmap(train, axis_name="batch", devices=devices)(x)
    assert np.abs(local.reshape(8, 3, 2) - whole).max() > 0.01


def test_statistics_of_bfloat16_are_float32():
    with jax.enable_x64(False):
        norm, variables = BatchNorm(train=True), jax.tree.map(np.float32, VARIABLES)
        x = jax.ShapeDtypeStruct((4, 2), jnp.bfloat16)
        y, updated = jax.eval_shape(lambda x: norm.apply(variables, x, mutable=["batch_stats"]), x)
    assert y.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(updated)} == {np.dtype("float32")}
