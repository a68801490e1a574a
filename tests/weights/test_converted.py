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


def test_a_flipped_bit_of_tensors_or_facts_is_noticed(network, tmp_path):
    path = tmp_path / "network.safetensors"
    write(path, network, "classyvision")
    sound, chance = path.read_bytes(), np.random.default_rng(0)
    length = 8 + int.from_bytes(sound[:8], "little")
    name = sound.index(b"ride")
    for place in [8 * name, *chance.integers(8 * length, 8 * len(sound), 40), *chance.integers(0, 8 * length, 40)]:
        content = bytearray(sound)
        content[place // 8] ^= 1 << place % 8
        path.write_bytes(content)
        with pytest.raises(InputError) as refused:
            read(path)
        if place == 8 * name or place >= 8 * length:
            assert "is damaged: the CRC-32 of its tensors and facts is" in str(refused.value)
            assert "fetch or convert it again (if it was changed on purpose, take 'crc32' out" in str(refused.value)


def rewritten(path, network, tensors=lambda found: found, **facts):
    """As somebody would write it who knows nothing of checksums."""
    content = tensors(to_torch(network.variables, MODEL, "classyvision"))
    save_file(content, path, {"r3d_jax": json.dumps(to_facts(network) | facts)})
    return path


@pytest.mark.parametrize(
    "value, message",
    [
        (lambda value: value * np.nan, r"a.safetensors: the tensor \S+ has 4 values that are not finite, such as nan"),
        (lambda value: value.astype(np.int32), r"a.safetensors: the tensor \S+ is of type int32, and weights are"),
    ],
)
def test_weights_that_nothing_can_be_computed_with_are_refused(network, value, message, tmp_path):
    def change(tensors):
        name = next(name for name, each in tensors.items() if each.shape == (4,))
        return tensors | {name: value(tensors[name])}

    with pytest.raises(InputError, match=message):
        read(rewritten(tmp_path / "a.safetensors", network, change))


@pytest.mark.parametrize(
    "facts, message",
    [
        ({"views": 0}, r"a.safetensors: `clip.views` .=0. must be at least 1; convert or export the network again"),
        ({"views": 10**12}, r"a.safetensors: `clip.views` .=1000000000000. must be at most 10000; convert"),
        ({"stride": -1}, r"a.safetensors: `clip.stride` .=-1. must be at least 1; convert"),
        (
            {"clip_shape": [9999, 9999, 9999, 3], "train_sizes": [9999] * 2},
            "of .* are more than 2..30 pixels.*; convert",
        ),
        ({"test_size": 10**9}, r"`clip.test_size` .=1000000000. must be at most 10000; convert"),
        ({"clip_shape": [4]}, r"a.safetensors: `clip_shape` .=\[4\]. must be time, height, width and channels"),
        ({"class_names": [1, 2]}, "a.safetensors: a class name is no text; convert or export the network again"),
    ],
)
def test_facts_out_of_any_sense_are_refused(network, facts, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read(rewritten(tmp_path / "a.safetensors", network, **facts))


def test_a_file_without_a_checksum_is_read_as_earlier_versions_wrote_it(network, tmp_path):
    found = read(rewritten(tmp_path / "a.safetensors", network))
    jax.tree.map(np.testing.assert_array_equal, found.variables, network.variables)


@pytest.mark.parametrize(
    "header",
    [
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
        '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        '{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,8]}}',
        '{"__metadata__":{"r3d_jax":"7"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    ],
)
def test_a_name_twice_and_other_odd_headers_are_refused(header, tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header.encode() + bytes(8))
    with pytest.raises(InputError, match="is no safetensors file that can be read"):
        read_tensors(path)
