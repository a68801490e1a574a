import zipfile
from functools import partial

import jax
import numpy as np
import pytest
from closeness import close
from safetensors.numpy import save_file
from seeded import GOLDEN

import r3d_jax
from r3d_jax.weights.load import load


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """One network as an earlier version wrote it: a run's folder, a converted and an exported file."""
    run = tmp_path_factory.mktemp("earlier") / "run"
    with zipfile.ZipFile(GOLDEN / "earlier_run.zip") as archive:
        archive.extractall(run)
    return [load(run), *(load(GOLDEN / f"earlier.{kind}") for kind in ("safetensors", "npz"))]


def test_a_network_is_the_same_from_a_run_a_converted_and_an_exported_file(earlier):
    first, *others = earlier
    assert first.clip == r3d_jax.ClipSpec(4, 2, 12.5, (16, 18), 16, 0.25, 20, 2, 3)
    for other in others:
        assert (other.model.trunk, other.class_names) == (first.model.trunk, first.class_names)
        jax.tree.map(np.testing.assert_array_equal, other.variables, first.variables)


def test_it_answers_as_it_did_in_the_version_that_wrote_it(earlier):
    clips = np.random.default_rng(0).integers(0, 256, (2, 2, 4, 16, 20, 3), np.uint8)
    predict = jax.jit(partial(r3d_jax.predict_fn, model=earlier[0].model))
    with np.load(GOLDEN / "earlier_logits.npz") as arrays:
        close(predict(earlier[0].variables, clips), arrays["logits"])


def test_a_tilde_is_the_home(monkeypatch):
    monkeypatch.setenv("HOME", str(GOLDEN))
    assert load("~/earlier.safetensors").clip.frames == 4


def test_what_is_no_network_yet_says_what_makes_one_of_it(tmp_path):
    bare = tmp_path / "bare.safetensors"
    save_file({"fc.weight": np.zeros((3, 4), np.float32)}, bare)
    for path, message in (
        (bare, "holds weights alone; give them a network: python -m r3d_jax convert"),
        (GOLDEN / "tensors.pth", "is not converted yet; run python -m r3d_jax convert"),
        (tmp_path / "none", "no run, no converted and no exported network at"),
        (tmp_path, r"no run in .*: it has no config.json and no classes.txt and no network.json"),
    ):
        with pytest.raises(ValueError, match=message):
            load(path)
