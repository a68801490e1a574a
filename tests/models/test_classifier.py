import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from shapes import unchecked_shapes
from trunks import TINY

from r3d_jax.models.classifier import build, init_variables
from r3d_jax.models.description import from_dict, to_dict
from r3d_jax.models.head import Head
from r3d_jax.models.predict import average_views, features_fn, normalise, predict_fn, predict_views


@pytest.fixture(scope="module")
def tiny():
    model = build("r3d_18", 5, **TINY)
    return model, init_variables(model, jax.random.key(0), (4, 32, 32, 3))


@pytest.fixture
def videos(rng):
    return rng.integers(0, 256, (3, 2, 4, 32, 32, 3), np.uint8)


def test_convolutions_start_kaiming_normal_over_the_fan_out():
    model = build("r3d_18", 5, blocks=(1, 1, 1, 1), planes=16)
    params = init_variables(model, jax.random.key(0), (2, 16, 16, 3))["params"]
    kernel = params["trunk"]["pathway0-stage3-block0"]["residual"]["conv2"]["kernel"]
    np.testing.assert_allclose(kernel.std(), np.sqrt(2 / (64 * 27)), rtol=0.01)


def test_pixels_are_normalised_by_mean_and_standard_deviation(tiny):
    pixels = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)
    expected = (pixels / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(normalise(pixels, model=tiny[0]), expected, rtol=1e-5)


def test_a_videos_logits_are_the_mean_over_its_views(tiny, videos):
    model, weights = tiny
    logits, of_views = (jax.jit(partial(f, model=model))(weights, videos) for f in (predict_fn, predict_views))
    np.testing.assert_allclose(logits, of_views.mean(1), rtol=1e-5, atol=1e-6)
    assert logits.shape == (3, 5)


def test_views_can_run_a_few_at_once(tiny, rng):
    model, weights = tiny
    videos = rng.integers(0, 256, (2, 5, 4, 32, 32, 3), np.uint8)
    together, apart = (
        jax.jit(partial(predict_fn, model=model, views_at_once=count))(weights, videos) for count in (0, 2)
    )
    np.testing.assert_allclose(apart, together, rtol=1e-5, atol=1e-6)


def test_activations_can_be_bfloat16(tiny, videos):
    model, weights = tiny
    exact, rough = (
        jax.jit(partial(predict_fn, model=model, dtype=d))(weights, videos) for d in ("float32", "bfloat16")
    )
    assert rough.dtype == jnp.float32
    assert 0 < np.abs(rough - exact).max() < 0.03 * np.abs(exact).max()


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
        ((1, 2, 4, 32, 32, 1), np.uint8, "must have 3 channels last; it has other channels"),
    ],
)
def test_other_clips_are_refused(tiny, shape, dtype, message):
    with pytest.raises(ValueError, match=message), unchecked_shapes():
        predict_fn(tiny[1], np.zeros(shape, dtype), model=tiny[0])


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("r3d_19", {}, "no network 'r3d_19'; there are r3d_18, r3d_34"),
        ("r3d_18", {"final_stride": 2}, "no option 'final_stride' of the trunk; there are blocks, planes"),
        ("r3d_18", {"mean": (0.5,)}, r"`mean` \(=\(0.5,\)\) and `std` .* one value for each channel"),
    ],
)
def test_what_does_not_exist_is_named_with_what_does(name, options, message):
    with pytest.raises(ValueError, match=message):
        build(name, 5, **options)


def test_options_may_be_lists():
    assert hash(build("r3d_18", 5, blocks=[1, 1, 1, 1])) == hash(build("r3d_18", 5, blocks=(1, 1, 1, 1)))


def test_features_are_those_of_the_trunk_without_what_lies_above(tiny, videos):
    model, weights = tiny
    block = "pathway0-stage2-block0"
    below = {
        kind: {"trunk": {name: leaf for name, leaf in tree["trunk"].items() if name <= block or "stem" in name}}
        for kind, tree in weights.items()
    }
    found = jax.jit(partial(features_fn, model=model, blocks=(block,)))(below, videos)
    assert list(found) == [block] and found[block].shape == (3, 2, 2, 8, 8, 8)
    trunk = {kind: tree["trunk"] for kind, tree in weights.items()}
    everything = jax.jit(partial(model.trunk.apply, names=model.trunk.block_names()))
    expected = everything(trunk, normalise(videos[1], model=model))
    np.testing.assert_allclose(found[block][1], expected[block], rtol=1e-4, atol=1e-5)


def test_features_of_a_block_that_does_not_exist_are_refused(tiny, videos):
    with pytest.raises(ValueError, match=r"no block 'layer4' in this trunk; its blocks: stem-path0, pathway0-stage1"):
        features_fn(tiny[1], videos, model=tiny[0], blocks=("layer4",))


def test_a_head_at_a_block_that_does_not_exist_is_refused():
    model = build("r3d_18", 5, block="layer4", **TINY)
    with pytest.raises(ValueError, match=r"no block 'layer4' .*pathway0-stage2-block0"):
        jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 4, 32, 32, 3)))


def test_several_heads_give_a_tuple_of_logits(tiny, videos):
    heads = (
        Head(3, block="pathway0-stage2-block0", unique_id="early"),
        Head(5, unique_id="late", activation="sigmoid"),
    )
    model = tiny[0].clone(heads=heads)
    weights = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 4, 32, 32, 3)))
    early, late = jax.eval_shape(partial(predict_fn, model=model), weights, videos)
    assert early.shape == (3, 3) and late.shape == (3, 5)


@pytest.mark.parametrize("heads", [(), (Head(3), Head(4))])
def test_heads_without_names_of_their_own_are_refused(tiny, heads):
    with pytest.raises(ValueError, match="needs heads, each with its own `unique_id`"):
        jax.eval_shape(tiny[0].clone(heads=heads).init, jax.random.key(0), jnp.zeros((1, 4, 32, 32, 3)))


def test_an_image_is_a_clip_of_one_frame(tiny, rng):
    images = rng.standard_normal((2, 32, 32, 3), np.float32)
    model, weights = tiny
    trunk = {kind: tree["trunk"] for kind, tree in weights.items()}
    found, expected = (model.trunk.apply(trunk, x, names=("stem-path0",)) for x in (images, images[:, None]))
    np.testing.assert_array_equal(found["stem-path0"], expected["stem-path0"])


def test_a_network_comes_back_from_its_description(tiny):
    heads = (
        Head(3, block="stem-path0", pool=(1, 2, 2), unique_id="early"),
        Head(5, average="probabilities"),
    )
    model = tiny[0].clone(heads=heads)
    assert from_dict(json.loads(json.dumps(to_dict(model)))) == model
    for broken in ({"trunk": {"layers": 3}, "heads": [], "mean": [], "std": []}, {"trunk": {}}):
        with pytest.raises(ValueError, match="not the description of a network of this version"):
            from_dict(broken)
