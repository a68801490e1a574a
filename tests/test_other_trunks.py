"""All that takes a network takes a SlowFast or an X3D network too."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import close
from seeded import drawn
from siblings import ONE, tiny

import r3d_jax as r3d
from r3d_jax.training.state import first_state
from r3d_jax.weights import export as module
from r3d_jax.weights.export import export
from r3d_jax.weights.trained import TrainedNetwork

pytestmark = pytest.mark.slow

CLIP = r3d.ClipSpec(frames=4, crop=32, train_sizes=(32, 32), test_size=32, views=2)
NAMES = ("ride", "run", "swim")
READ = {"slowfast_r50": "joined", "x3d_s": "conv5"}
each = pytest.mark.parametrize("name", READ)


@pytest.fixture
def videos(rng):
    return rng.integers(0, 256, (2, 2, 4, 24, 24, 3), np.uint8)


@each
def test_it_trains_with_its_blocks_computed_again(name, videos):
    model, tx = tiny(name, **ONE[name]), r3d.sgd(0.01)
    state = first_state(drawn(model), tx)
    batch = {"clip": videos[0], "label": np.array([0, 2], np.int32)}
    after, metrics = jax.jit(partial(r3d.train_step, model=model, tx=tx, remat=(1,)))(state, batch)
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), *jax.device_get([state.variables, after.variables]))
    assert all(0 < change < 10 for change in jax.tree.leaves(moved)) and np.isfinite(metrics["loss"])


@each
def test_a_frozen_trunk_stays_as_it_is(name, videos):
    model, tx = tiny(name, **ONE[name]), r3d.sgd(0.01, trunk_factor=0.0)
    state = first_state(drawn(model), tx)
    batch = {"clip": videos[0], "label": np.array([0, 2], np.int32)}
    after, _ = jax.jit(partial(r3d.train_step, model=model, tx=tx, freeze_trunk=True))(state, batch)
    jax.tree.map(np.testing.assert_array_equal, after.params["trunk"], state.params["trunk"])
    jax.tree.map(np.testing.assert_array_equal, after.batch_stats, state.batch_stats)
    assert np.abs(after.params["heads_0"]["kernel"] - state.params["heads_0"]["kernel"]).max() > 0


@each
def test_views_features_and_maps_go_together(name, videos):
    """Under SlowFast's head the map is the class activation map; X3D's has a layer more, and the map its gradient's."""
    model = tiny(name)
    variables, classes = drawn(model), np.array([2, 0])
    head = {"params": variables["params"]["heads_0"]}

    @jax.jit
    def all_at_once(variables):
        features = r3d.features_fn(variables, videos, model=model, blocks=(READ[name],))[READ[name]]
        logits = r3d.models.predict_views(variables, videos, model=model)
        return features, logits, r3d.grad_cam(variables, videos, classes, model=model)

    features, logits, maps = jax.device_get(all_at_once(variables))
    pooled = features.mean((2, 3, 4))
    logit = jax.jit(lambda x: model.heads[0].apply(head, x[:, None, None, None]))
    close(logits, np.reshape(logit(pooled.reshape(4, -1)), (2, 2, -1)))
    chosen = np.repeat(classes, 2)[:, None]
    slope = jax.jit(jax.grad(lambda x: jnp.take_along_axis(logit(x), chosen, 1).sum()))(pooled.reshape(4, -1))
    if name == "slowfast_r50":
        np.testing.assert_allclose(slope, head["params"]["kernel"].T[chosen[:, 0]], rtol=1e-6)
    weights = np.reshape(slope, (2, 2, 1, 1, 1, -1)) / np.prod(features.shape[2:5])
    assert maps.shape == features.shape[:-1] and maps.shape[2] == 4 and maps.max() > 0
    close(maps, np.maximum((weights * features).sum(-1), 0))


def test_the_maps_of_slowfasts_pathways_add_up_to_that_of_both(videos, name="slowfast_r50"):
    model, classes = tiny(name), np.array([1, 1])
    variables = drawn(model)
    variables["params"]["heads_0"]["kernel"] = np.abs(variables["params"]["heads_0"]["kernel"])  # nothing is cut off
    blocks = ("pathway0-stage2-block0", "pathway1-stage2-block0", "")
    maps = jax.jit(lambda x: [r3d.grad_cam(x, videos, classes, model=model, block=block) for block in blocks])
    slow, fast, both = maps(variables)
    assert slow.shape[2] == 2 and fast.shape == both.shape
    close(np.repeat(slow, 2, 2) / 2 + fast, both)


@each
def test_what_is_saved_and_exported_is_loaded_again(name, videos, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_tried", lambda *_: [])  # which compiles it twice more
    model, tx = tiny(name, average="probabilities", **ONE[name]), r3d.sgd(0.01)
    network = TrainedNetwork(model, drawn(model), NAMES, CLIP)
    r3d.save(tmp_path / "run", model, first_state(network.variables, tx), NAMES, CLIP)
    export(network, tmp_path / "network.npz")
    for source in ("run", "network.npz", "network.safetensors"):
        loaded = r3d.load(tmp_path / source)
        assert loaded._replace(variables=None) == network._replace(variables=None)
        jax.tree.map(np.testing.assert_array_equal, loaded.variables, network.variables)
    with np.load(tmp_path / "network.npz") as file:
        program = jax.export.deserialize(bytearray(file["program"]))
        weights = {name: file[name] for name in file.files if "/" in name}
    other = np.random.default_rng(1).integers(0, 256, (1, 2, 4, 36, 33, 3), np.uint8)
    close(program.call(weights, other), jax.jit(partial(r3d.predict_fn, model=model))(network.variables, other))


def test_what_no_project_has_names_for_is_refused_before_anything_is_written(tmp_path):
    model = tiny("slowfast_r50", lateral_norm=False)
    network = TrainedNetwork(model, drawn(tiny("slowfast_r50")), NAMES, CLIP)
    with pytest.raises(r3d.InputError, match="pytorchvideo has no names for a SlowFast with `lateral_norm` False"):
        export(network, tmp_path / "network.npz")
    assert not list(tmp_path.iterdir())
