from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from shapes import unchecked_shapes

from r3d_jax.models.classifier import average_views, build, init_variables, normalise, predict_fn, predict_views

TINY = {"planes": 4, "stem_planes": 4, "blocks": (1, 1, 1, 1)}


@pytest.fixture(scope="module")
def tiny():
    model = build("r3d_18", 5, **TINY)
    return model, init_variables(model, jax.random.key(0), (4, 32, 32, 3))


@pytest.fixture
def videos(rng):
    return rng.integers(0, 256, (3, 2, 4, 32, 32, 3), np.uint8)


def test_r3d_18_has_33_218_085_parameters_at_101_classes():
    model = build("r3d_18", 101)
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 8, 112, 112, 3)))["params"]
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 33_218_085


def test_convolutions_start_kaiming_normal_over_the_fan_out():
    model = build("r3d_18", 5)
    params = init_variables(model, jax.random.key(0), (2, 16, 16, 3))["params"]
    kernel = params["trunk"]["pathway0-stage3-block1"]["residual"]["conv1"]["kernel"]
    np.testing.assert_allclose(kernel.std(), np.sqrt(2 / (256 * 27)), rtol=0.01)


def test_pixels_are_normalised_by_mean_and_standard_deviation(tiny):
    pixels = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)
    expected = (pixels / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(normalise(pixels, model=tiny[0]), expected, rtol=1e-5)


def test_a_videos_logits_are_the_mean_over_its_views(tiny, videos):
    model, weights = tiny
    logits, of_views = (jax.jit(partial(f, model=model))(weights, videos) for f in (predict_fn, predict_views))
    np.testing.assert_allclose(logits, of_views.mean(1), rtol=1e-5, atol=1e-6)
    assert logits.shape == (3, 5)


def test_probabilities_can_be_averaged_instead(tiny, rng):
    logits = rng.standard_normal((2, 3, 5), np.float32)
    mean = average_views(logits, model=build("r3d_18", 5, average="probabilities", **TINY))
    np.testing.assert_allclose(jax.nn.softmax(mean), jax.nn.softmax(logits).mean(1), rtol=1e-5)


def test_predict_fn_can_be_jitted_mapped_and_differentiated(tiny, videos):
    model, weights = tiny
    predict = partial(predict_fn, model=model)
    expected = jax.jit(predict)(weights, videos)
    np.testing.assert_allclose(
        jax.pmap(predict, in_axes=(None, 0))(weights, videos[:2, None])[:, 0], expected[:2], rtol=1e-4, atol=1e-5
    )
    ensemble = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), weights)
    both = jax.jit(jax.vmap(predict, (0, None)))(ensemble, videos)
    np.testing.assert_allclose(both, jnp.stack([expected, expected]), rtol=1e-4, atol=1e-5)
    total = jax.jit(jax.grad(lambda params: predict({**weights, "params": params}, videos).sum()))
    gradient = total(weights["params"])
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize(
    "shape, dtype, message",
    [
        ((1, 2, 4, 32, 32, 3), np.float32, "must be uint8 of shape .video, view, time"),
        ((2, 4, 32, 32, 3), np.uint8, r"uint8, shape \(2, 4, 32, 32, 3\).* must be uint8 of shape .video, view"),
        ((1, 2, 3, 4, 32, 32), np.uint8, "channels first"),
    ],
)
def test_other_clips_are_refused(tiny, shape, dtype, message):
    with pytest.raises(ValueError, match=message), unchecked_shapes():
        predict_fn(tiny[1], np.zeros(shape, dtype), model=tiny[0])


def test_an_unknown_network_is_named_with_those_there_are():
    with pytest.raises(ValueError, match="no network 'r3d_19'; there are r3d_18"):
        build("r3d_19", 5)
