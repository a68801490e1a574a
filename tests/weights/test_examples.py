"""What docstrings show of a trained network runs as it stands there."""

import inspect
import re
import textwrap
from functools import partial
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from seeded import drawn
from videos import encode, frames_of

import r3d_jax

pytestmark = pytest.mark.slow

MODEL = r3d_jax.build("r3d_18", 3, blocks=(1, 1, 2), planes=2, stem_planes=2)
CLIP = r3d_jax.ClipSpec(frames=4, crop=16, train_sizes=(16, 18), test_size=16, views=2)


def example(function):
    """The indented lines after the first paragraph that ends in "For example:"."""
    found = re.search(r"For example:\n\n((?:    .+\n)+)", inspect.getdoc(function) + "\n")
    return textwrap.dedent(found[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    (folder / "video.mp4").write_bytes(encode(frames_of(12, 16, 24)))
    return folder


def test_a_state_is_saved_loaded_and_asked(folder, monkeypatch):
    monkeypatch.chdir(folder)
    tx, variables = r3d_jax.sgd(0.1), drawn(MODEL)
    state = r3d_jax.TrainState(np.int32(3), variables["params"], variables["batch_stats"], tx.init(variables["params"]))
    names = {"jax": jax, "partial": partial, "r3d_jax": r3d_jax, "model": MODEL, "clip": CLIP, "tx": tx, "state": state}
    names |= {"videos": SimpleNamespace(class_names=("ride", "run", "swim")), "classes": np.array([1])}
    exec(example(r3d_jax.save), names)
    assert int(names["state"].step) == 3 and names["network"].clip == CLIP
    exec(example(r3d_jax.load), names)
    assert names["logits"].shape == (1, 3)
    exec(example(r3d_jax.predict_fn), names)
    np.testing.assert_allclose(names["probabilities"], jax.nn.softmax(names["logits"]), atol=1e-5)
    names |= {"grad_cam": r3d_jax.grad_cam, "variables": variables}
    exec(example(r3d_jax.grad_cam).replace("maps(variables", "first = maps(variables"), names)
    assert names["first"].shape == (1, 2, 3)


def test_networks_are_built():
    def shapes(model, key, clip_shape):  # of 33 million weights, not the weights
        return jax.eval_shape(partial(r3d_jax.init_variables, model, clip_shape=clip_shape), key)

    names = {"build": r3d_jax.build, "init_variables": shapes, "jax": jax}
    exec(example(r3d_jax.build), names)
    assert names["variables"]["params"]["heads_0"]["kernel"].shape == (512, 101)
    assert names["small"].trunk.blocks == (1, 1, 1, 1)
