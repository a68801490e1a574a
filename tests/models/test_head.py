from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit, softmax

from r3d_jax.models.classifier import build
from r3d_jax.models.head import Head, average
from r3d_jax.models.predict import average_views

VARIABLES = {"params": {"kernel": np.eye(3), "bias": np.array([0.0, 0, 1])}}


@pytest.fixture(autouse=True)
def float64():
    """So that what is the same but for the order of sums is the same."""
    with jax.enable_x64(True):
        yield


def test_logits_of_all_cells_of_the_pooled_grid_are_averaged(rng):
    x = rng.standard_normal((2, 1, 3, 4, 3))
    cells = [x[:, :, i : i + 2, j : j + 2].mean((1, 2, 3)) for i in range(2) for j in range(3)]
    logits = jax.jit(Head(3, pool=(1, 2, 2)).apply)(VARIABLES, x)
    np.testing.assert_allclose(logits, np.mean(cells, 0) + np.array([0, 0, 1]), rtol=1e-9)


def test_without_a_pool_the_whole_grid_is_one_cell(rng):
    x = rng.standard_normal((2, 2, 3, 4, 3))
    logits = jax.jit(Head(3).apply)(VARIABLES, x)
    np.testing.assert_allclose(logits, x.mean((1, 2, 3)) + np.array([0, 0, 1]), rtol=1e-9)


def test_logits_are_float32_whatever_the_features():
    features = jax.ShapeDtypeStruct((2, 1, 1, 1, 3), jnp.bfloat16)
    assert jax.eval_shape(lambda x: Head(3).apply(VARIABLES, x), features).dtype == jnp.float32


def test_a_hidden_layer_lies_between_the_pool_and_the_linear_layer(rng):
    x, hidden = rng.standard_normal((2, 1, 3, 4, 3)), rng.standard_normal((3, 5))
    params = {"kernel": np.eye(5, 3), "bias": np.zeros(3), "hidden": {"kernel": hidden[None, None, None]}}
    cells = [x[:, :, i : i + 2, j : j + 2].mean((1, 2, 3)) for i in range(2) for j in range(3)]
    found = jax.jit(Head(3, pool=(1, 2, 2), hidden=5).apply)({"params": params}, x)
    np.testing.assert_allclose(found, np.mean([np.maximum(cell @ hidden, 0)[:, :3] for cell in cells], 0), rtol=1e-9)


@pytest.mark.parametrize("activation, function", [("softmax", lambda x: softmax(x, -1)), ("sigmoid", expit)])
def test_averaged_probabilities_come_back_as_logits(rng, activation, function):
    logits = rng.standard_normal((2, 5, 4))
    mean = jax.jit(lambda x: average(x, (1,), activation=activation, of="probabilities"))(logits)
    np.testing.assert_allclose(function(np.array(mean)), function(logits).mean(1), rtol=1e-9)


def test_dropout_draws_in_training_only(rng):
    x = rng.standard_normal((2, 1, 1, 1, 3))
    head = Head(3, dropout=0.5)
    trained = jax.jit(lambda i: head.apply(VARIABLES, x, train=True, rngs={"dropout": jax.random.key(i)}))
    first, second = map(trained, (0, 1))
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(head.apply(VARIABLES, x), head.apply(VARIABLES, x))


def test_weights_start_in_pytorchs_uniform_range():
    params = jax.jit(Head(101).init)(jax.random.key(0), jnp.zeros((1, 1, 1, 1, 512)))["params"]
    bound = 1 / np.sqrt(512)
    for values in params.values():
        assert np.abs(values).max() <= bound and np.abs(values).max() > 0.9 * bound


@pytest.mark.parametrize(
    "head, train, message",
    [
        (Head(3, pool=(1, 2, 2)), True, r"one cell.*\(1, 2, 2\)\) over the \(1, 3, 4\) grid.* gives 1 x 2 x 3 cells"),
        (Head(3, pool=(2, 2, 2)), False, r"`pool` \(=\(2, 2, 2\)\) is larger than the \(1, 3, 4\) grid"),
        (Head(3, activation="tanh"), False, "`activation` .='tanh'. must be one of softmax, sigmoid, identity"),
        (Head(3, average="median"), False, "`average` .='median'. must be one of logits, probabilities"),
    ],
)
def test_what_cannot_work_is_refused(head, train, message):
    with pytest.raises(ValueError, match=message):
        head.apply(VARIABLES, np.zeros((1, 1, 3, 4, 3)), train=train)


def test_logits_of_cells_and_probabilities_of_views_can_be_averaged(rng):
    features = rng.standard_normal((2, 1, 3, 3, 4), np.float32)  # two views of a video
    kinds = {name: Head(5, pool=(1, 2, 2), average=name) for name in ("logits", "clip_probabilities")}
    params = jax.jit(kinds["logits"].init)(jax.random.key(0), features)
    views = {name: np.array(jax.jit(head.apply)(params, features)) for name, head in kinds.items()}
    np.testing.assert_array_equal(views["logits"], views["clip_probabilities"])
    model = build("r3d_18", 5, average="clip_probabilities")
    found = softmax(jax.jit(partial(average_views, model=model))(views["logits"][None]), -1)
    np.testing.assert_allclose(found[0], softmax(views["logits"], -1).mean(0), rtol=1e-5)


def test_without_classes_come_the_features_that_the_linear_layer_would_see(rng):
    x, hidden = rng.standard_normal((2, 1, 3, 4, 3)), rng.standard_normal((3, 5))
    params = {"hidden": {"kernel": hidden[None, None, None]}}
    cells = [x[:, :, i : i + 2, j : j + 2].mean((1, 2, 3)) for i in range(2) for j in range(3)]
    head = Head(0, pool=(1, 2, 2), hidden=5, average="probabilities")
    found = jax.jit(head.apply)({"params": params}, x)
    np.testing.assert_allclose(found, np.mean([np.maximum(cell @ hidden, 0) for cell in cells], 0), rtol=1e-9)
    features = jax.ShapeDtypeStruct((2, 1, 1, 1, 3), jnp.bfloat16)
    assert jax.eval_shape(lambda x: Head(0).apply({}, x), features).dtype == jnp.float32
