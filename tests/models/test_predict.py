from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import close
from seeded import drawn
from shapes import unchecked_shapes
from trunks import SOON, TINY

from r3d_jax.models.classifier import build
from r3d_jax.models.head import Head
from r3d_jax.models.predict import average_views, features_fn, merge_views, normalise, predict_fn, predict_views

MODEL = build("r3d_18", 5, **TINY)
VIDEOS = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 16, 20, 3), np.uint8)


@cache
def weights():
    return drawn(MODEL)


@cache
def logits(function=predict_fn, **options):
    """Of VIDEOS, computed once."""
    return jax.jit(partial(function, model=MODEL, **options))(weights(), VIDEOS)


def test_pixels_are_normalised_by_mean_and_standard_deviation():
    pixels = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)
    expected = (pixels / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(normalise(pixels, model=MODEL), expected, rtol=1e-5)


def test_a_videos_logits_are_the_mean_over_its_views():
    assert logits().shape == (2, 5) and logits(predict_views).shape == (2, 5, 5)
    close(logits(), logits(predict_views).mean(1))


def test_views_can_run_a_few_at_once():
    close(logits(views_at_once=2), logits())


def test_activations_can_be_bfloat16():
    exact, rough = logits(), logits(dtype="bfloat16")
    assert rough.dtype == jnp.float32
    # Eight roundings to eight bits in a row, of 2 ** -8 each at most.
    assert 0 < np.abs(rough - exact).max() < 8 * 2**-8 * np.abs(exact).max()


@pytest.mark.slow
def test_probabilities_can_be_averaged_instead(rng):
    views = rng.standard_normal((2, 3, 5), np.float32)
    mean = average_views(views, model=build("r3d_18", 5, average="probabilities", **TINY))
    np.testing.assert_allclose(jax.nn.softmax(mean), jax.nn.softmax(views).mean(1), rtol=1e-5)


@pytest.mark.slow
def test_predict_fn_can_be_mapped_over_devices_and_networks(devices):
    predict = partial(predict_fn, model=MODEL)
    spread = jax.pmap(predict, in_axes=(None, 0), devices=devices)
    close(spread(weights(), VIDEOS[:, None])[:, 0], logits())
    ensemble = jax.tree.map(lambda leaf: np.stack([leaf, leaf]), weights())
    close(jax.jit(jax.vmap(predict, (0, None)))(ensemble, VIDEOS), jnp.stack([logits(), logits()]))


@pytest.mark.slow
def test_predict_fn_can_be_differentiated(rng):
    """Along a random direction, the gradient is the slope, in float64 by finite differences."""
    params = jax.tree.map(np.float64, weights()["params"])
    direction = jax.tree.map(lambda leaf: rng.standard_normal(leaf.shape), params)

    def total(params):
        return predict_fn(weights() | {"params": params}, VIDEOS[:1, :1], model=MODEL, dtype="float64").sum()

    def at(distance):
        return jax.device_get(both(jax.tree.map(lambda leaf, d: leaf + distance * d, params, direction)))

    both = jax.jit(jax.value_and_grad(total), compiler_options=SOON)
    with jax.enable_x64(True):
        (ahead, _), (_, gradient), (behind, _) = at(1e-6), at(0), at(-1e-6)
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradient))
    along = jax.tree.map(lambda g, d: (g * d).sum(), gradient, direction)
    np.testing.assert_allclose(sum(jax.tree.leaves(along)), (ahead - behind) / 2e-6, rtol=1e-6)


@pytest.mark.parametrize(
    "shape, dtype, message",
    [
        ((1, 2, 4, 32, 32, 3), np.float32, "must be uint8 of shape .video, view, time"),
        ((2, 4, 32, 32, 3), np.uint8, r"uint8, shape \(2, 4, 32, 32, 3\).* must be uint8 of shape .video, view"),
        ((1, 2, 3, 4, 32, 32), np.uint8, "channels first"),
        ((1, 2, 4, 32, 32, 1), np.uint8, "must have 3 channels last; it has other channels"),
    ],
)
def test_other_clips_are_refused(shape, dtype, message):
    with pytest.raises(ValueError, match=message), unchecked_shapes():
        predict_fn(weights(), np.zeros(shape, dtype), model=MODEL)


def test_features_are_those_of_the_trunk_without_what_lies_above():
    block = "pathway0-stage1-block0"
    below = {
        kind: {"trunk": {name: leaf for name, leaf in tree["trunk"].items() if name in (block, "stem-path0")}}
        for kind, tree in weights().items()
    }
    found = jax.jit(partial(features_fn, model=MODEL, blocks=(block,)))(below, VIDEOS)
    assert list(found) == [block] and found[block].shape == (2, 5, 4, 8, 10, 4)
    trunk = {kind: tree["trunk"] for kind, tree in weights().items()}
    everything = jax.jit(partial(MODEL.trunk.apply, names=MODEL.trunk.block_names()))
    expected = everything(trunk, normalise(merge_views(VIDEOS), model=MODEL))[block]
    close(found[block].reshape(expected.shape), expected)


def test_features_of_a_block_that_does_not_exist_are_refused():
    with pytest.raises(ValueError, match=r"no block 'layer4' in this trunk; its blocks: stem-path0, pathway0-stage1"):
        features_fn(weights(), VIDEOS, model=MODEL, blocks=("layer4",))


def test_several_heads_give_a_tuple_of_logits():
    heads = (
        Head(3, block="pathway0-stage2-block0", unique_id="early"),
        Head(5, unique_id="late", activation="sigmoid"),
    )
    model = MODEL.clone(heads=heads)
    variables = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 4, 16, 16, 3)))
    for function, shapes in ((predict_fn, [(2, 3), (2, 5)]), (predict_views, [(2, 5, 3), (2, 5, 5)])):
        found = jax.eval_shape(partial(function, model=model), variables, VIDEOS)
        assert isinstance(found, tuple) and [each.shape for each in found] == shapes
