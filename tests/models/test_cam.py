from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from shapes import unchecked_shapes
from trunks import TINY

from r3d_jax.models.cam import grad_cam
from r3d_jax.models.classifier import build, init_variables
from r3d_jax.models.predict import features_fn, normalise, predict_views

LAST, FIRST = "pathway0-stage2-block0", "pathway0-stage1-block0"


@pytest.fixture(scope="module")
def tiny():
    model = build("r3d_18", 5, **TINY)
    return model, init_variables(model, jax.random.key(0), (4, 16, 16, 3))


@pytest.fixture
def videos(rng):
    return rng.integers(0, 256, (2, 2, 4, 16, 20, 3), np.uint8)


def test_under_a_head_that_pools_everything_it_is_the_class_activation_map(tiny, videos):
    model, variables = tiny
    classes = np.array([3, 1])
    maps = jax.jit(partial(grad_cam, model=model))(variables, videos, classes)
    features = features_fn(variables, videos, model=model, blocks=(LAST,))[LAST]
    kernel = variables["params"]["heads_0"]["kernel"]
    places = np.prod(features.shape[2:5])
    expected = jnp.einsum("vithwf,fv->vithw", features, kernel[:, classes]) / places
    np.testing.assert_allclose(maps, jax.nn.relu(expected), rtol=1e-4, atol=1e-7)
    assert maps.max() > 0


@pytest.mark.parametrize("block", [FIRST, "stem-path0"])
def test_lower_blocks_weigh_channels_by_the_logits_gradient(tiny, videos, block):
    """By finite differences: what adding a little to a channel everywhere does to the logit."""
    model, variables = tiny
    maps = grad_cam(variables, videos[:1], np.array([2]), model=model, block=block)
    features = features_fn(variables, videos[:1], model=model, blocks=(block,))[block]
    trunk = {kind: tree["trunk"] for kind, tree in variables.items()}
    clips = normalise(videos[0], model=model)

    def logits(offset):
        last = model.trunk.apply(trunk, clips, offsets={block: offset})[LAST]
        return model.heads[0].apply({"params": variables["params"]["heads_0"]}, last)[:, 2]

    places, step = np.prod(features.shape[2:5]), 1e-2
    weights = []
    for channel in jnp.eye(features.shape[-1]):
        weights.append((logits(step * channel) - logits(-step * channel)) / (2 * step * places))
    expected = jnp.einsum("ithwf,fi->ithw", features[0], jnp.stack(weights))
    np.testing.assert_allclose(maps[0], jax.nn.relu(expected), rtol=0.05, atol=0.01 * float(maps.max()))


def test_the_logits_stay_as_they_are_without_offsets(tiny, videos):
    model, variables = tiny
    expected = predict_views(variables, videos, model=model)
    maps = grad_cam(variables, videos, np.array([0, 0]), model=model)
    assert maps.shape[:2] == expected.shape[:2] and (maps >= 0).all()


def test_a_head_in_the_middle_is_explained_from_below_it(videos):
    model = build("r3d_18", 5, block=FIRST, **TINY)
    variables = init_variables(model, jax.random.key(0), (4, 16, 16, 3))
    assert grad_cam(variables, videos, np.array([1, 2]), model=model).shape == (2, 2, 4, 8, 10)
    with pytest.raises(ValueError, match=f"block '{LAST}' lies above {FIRST}, which the head reads"):
        grad_cam(variables, videos, np.array([1, 2]), model=model, block=LAST)


def test_what_does_not_exist_is_refused(tiny, videos):
    model, variables = tiny
    with pytest.raises(ValueError, match="no block 'stage9' in this trunk; its blocks: stem-path0, "):
        grad_cam(variables, videos, np.array([0, 0]), model=model, block="stage9")
    with pytest.raises(ValueError, match="must be uint8"), unchecked_shapes():
        grad_cam(variables, videos.astype(np.float32), np.array([0, 0]), model=model)


def test_one_of_several_heads_is_explained_as_if_alone(videos):
    model = build("r3d_18", 5, **TINY)
    two = model.clone(heads=(model.heads[0], model.heads[0].clone(num_classes=3, block=FIRST, unique_id="early")))
    variables = init_variables(two, jax.random.key(0), (4, 16, 16, 3))
    params = {"trunk": variables["params"]["trunk"], "heads_0": variables["params"]["heads_1"]}
    classes = np.array([2, 0])
    maps = grad_cam(variables, videos, classes, model=two, head=1)
    expected = grad_cam(variables | {"params": params}, videos, classes, model=two.clone(heads=two.heads[1:]))
    np.testing.assert_allclose(maps, expected, rtol=1e-5)
    assert maps.shape == (2, 2, 4, 8, 10) and maps.max() > 0
