import json

import jax
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file
from seeded import GOLDEN, drawn
from trunks import TINY

from r3d_jax.errors import InputError
from r3d_jax.models.classifier import build
from r3d_jax.video.clips import ClipSpec
from r3d_jax.weights.converted import read, read_tensors, write
from r3d_jax.weights.torch_names import to_torch
from r3d_jax.weights.trained import TrainedNetwork, to_facts

MODEL = build("r3d_18", 2, **TINY)
CLIP = ClipSpec(frames=4, stride=2, crop=16, train_sizes=(16, 18), test_size=20, flip=0.25)


@pytest.fixture(scope="module")
def network():
    return TrainedNetwork(MODEL, drawn(MODEL), ("ride", "run"), CLIP)


@pytest.mark.parametrize("naming", ["classyvision", "torchvision"])
def test_a_network_comes_back_bit_for_bit_under_either_names(network, naming, tmp_path):
    path = tmp_path / "deep" / "network.safetensors"
    write(path, network, naming)
    found = read(path)
    assert found._replace(variables=None) == network._replace(variables=None)
    jax.tree.map(np.testing.assert_array_equal, found.variables, network.variables)
    tensors, facts = read_tensors(path)
    assert facts == json.loads(json.dumps(to_facts(network)))
    expected = to_torch(network.variables, MODEL, naming)
    assert tensors.keys() == expected.keys()
    with safe_open(path, framework="numpy") as file:
        assert file.metadata()["format"] == "pt"  # what PyTorch's own loader asks for


def test_bare_tensors_have_no_facts_and_are_no_network(tmp_path):
    path = tmp_path / "bare.safetensors"
    save_file({"fc.weight": np.ones((2, 3), np.float32)}, path)
    tensors, facts = read_tensors(path)
    assert facts is None and tensors["fc.weight"].shape == (2, 3)
    with pytest.raises(InputError, match="holds weights alone; give them a network: python -m r3d_jax convert"):
        read(path)


def test_a_file_that_is_there_is_left_alone(network, tmp_path):
    path = tmp_path / "mine.safetensors"
    path.write_text("mine")
    with pytest.raises(InputError, match="is there already; name another file"):
        write(path, network, "classyvision")
    assert path.read_text() == "mine"


def test_another_versions_header_and_other_files_are_refused(tmp_path):
    path = tmp_path / "new.safetensors"
    save_file({"fc.weight": np.zeros(1, np.float32)}, path, {"r3d_jax": "{}"})
    with pytest.raises(InputError, match="was not written by this version: its header lacks 'network'"):
        read(path)
    path.write_text("not tensors")
    with pytest.raises(InputError, match=r"new.safetensors is no safetensors file that can be read"):
        read(path)


def test_a_header_of_an_earlier_version_has_fewer_facts_and_is_read():
    _, facts = read_tensors(GOLDEN / "earlier.safetensors")
    assert facts.keys() == {
        *("network", "class_names", "clip_shape", "stride", "test_size", "frame_rate", "views", "crops"),
    }
    found = read(GOLDEN / "earlier.safetensors")
    # Of the training clips it says no more than their size.
    assert found.clip == ClipSpec(4, 2, 12.5, (20, 20), 16, 0.5, 20, 2, 3)
    assert found.class_names[0] == "walk_right" and found.model.std == (0.2, 0.3, 0.25)
