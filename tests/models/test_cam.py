from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import close
from seeded import drawn
from shapes import unchecked_shapes
from trunks import SOON, TINY

from r3d_jax.models import cam
from r3d_jax.models.cam import grad_cam
from r3d_jax.models.classifier import build
from r3d_jax.models.head import Head
from r3d_jax.models.predict import features_fn

LAST, FIRST = "pathway0-stage2-block0", "pathway0-stage1-block0"
MODEL = build("r3d_18", 5, **TINY)
TWO = MODEL.clone(heads=(Head(5), Head(3, block=FIRST, unique_id="early")))  # on both blocks


@pytest.fixture(scope="module")
def variables():
    return drawn(MODEL)


@pytest.fixture
def videos(rng):
    return rng.integers(0, 256, (2, 2, 4, 16, 20, 3), np.uint8)


@pytest.fixture(scope="module")
def maps():
    """`grad_cam` at the head's own block, compiled once."""
    return jax.jit(partial(grad_cam, model=MODEL))


def trunk_of(variables):
    return {kind: tree["trunk"] for kind, tree in variables.items()}


def test_under_a_head_that_pools_everything_it_is_the_class_activation_map(maps, variables, videos):
    classes = np.array([3, 1])
    features = jax.jit(partial(features_fn, model=MODEL, blocks=(LAST,)))(variables, videos)[LAST]
    kernel = variables["params"]["heads_0"]["kernel"]
    places = np.prod(features.shape[2:5])
    expected = jax.nn.relu(jnp.einsum("vithwf,fv->vithw", features, kernel[:, classes]) / places)
    assert expected.max() > 0
    close(maps(variables, videos, classes), expected)


def test_each_view_is_mapped_by_itself_for_its_videos_class(maps, variables, videos):
    found = maps(variables, videos, np.array([3, 1]))
    for video, label in ((0, 3), (1, 1)):
        for view in (0, 1):
            alone = np.broadcast_to(videos[video, view], videos.shape)  # of a shape that is compiled already
            close(maps(variables, alone, np.array([label, label]))[0, 0], found[video, view])
    assert np.abs(found[0] - maps(variables, videos, np.array([1, 1]))[0]).max() > 0.01 * found.max()


@pytest.mark.slow
@pytest.mark.parametrize("block", [FIRST, "stem-path0"])
def test_lower_blocks_weigh_channels_by_the_logits_gradient(variables, videos, block, monkeypatch):
    """What adding a little to a channel everywhere does to the logit, in float64, where a little can be very little."""
    monkeypatch.setattr(cam, "normalise", lambda clips, model: clips / jnp.float64(64) - 2)
    variables = jax.tree.map(np.float64, variables)

    @partial(jax.jit, compiler_options=SOON)
    def logit(offset, clips):
        features = MODEL.trunk.apply(trunk_of(variables), clips, names=(block, LAST), offsets={block: offset})
        head = {"params": variables["params"]["heads_0"]}
        return MODEL.heads[0].apply(head, features[LAST])[:, 2], features[block]

    step, channels = 1e-6, MODEL.trunk.planes
    with jax.enable_x64(True):
        maps = jax.jit(partial(grad_cam, model=MODEL, block=block), compiler_options=SOON)
        found = np.array(maps(variables, videos[:1], np.array([2])))[0]
        clips = videos[0] / 64 - 2
        moved = [[logit(sign * step * channel, clips) for sign in (1, -1)] for channel in np.eye(channels)]
        slopes = np.stack([(up[0] - down[0]) / (2 * step) for up, down in moved])
        features = np.array(logit(np.zeros(channels), clips)[1])
    weights = slopes / np.prod(features.shape[1:4])
    assert found.dtype == np.float64 and found.max() > 0
    close(found, np.maximum(0, np.einsum("ithwf,fi->ithw", features, weights)), 1e-7)


def test_on_several_devices_each_maps_its_own_videos(maps, variables, videos, devices):
    classes = np.array([3, 1])
    spread = jax.pmap(partial(grad_cam, model=MODEL), in_axes=(None, 0, 0), devices=devices)
    found = spread(variables, videos[:, None], classes[:, None])[:, 0]
    close(found, maps(variables, videos, classes))


def test_one_of_several_heads_is_explained_as_if_alone(videos):
    """Its map is at the block that it reads, and it takes no block from above that."""
    variables, classes = drawn(TWO), np.array([2, 0])
    params = {"trunk": variables["params"]["trunk"], "heads_0": variables["params"]["heads_1"]}
    alone = jax.jit(partial(grad_cam, model=TWO.clone(heads=TWO.heads[1:])))
    found = jax.jit(partial(grad_cam, model=TWO, head=1))(variables, videos, classes)
    assert found.shape == (2, 2, 4, 8, 10) and found.max() > 0
    close(found, alone(variables | {"params": params}, videos, classes))
    with pytest.raises(ValueError, match=f"block '{LAST}' lies above {FIRST}, which the head reads"):
        grad_cam(variables, videos, classes, model=TWO, head=1, block=LAST)


def test_what_does_not_exist_is_refused(variables, videos):
    with pytest.raises(ValueError, match="no block 'stage9' in this trunk; its blocks: stem-path0, "):
        grad_cam(variables, videos, np.array([0, 0]), model=MODEL, block="stage9")
    with pytest.raises(ValueError, match="must be uint8"), unchecked_shapes():
        grad_cam(variables, videos.astype(np.float32), np.array([0, 0]), model=MODEL)
