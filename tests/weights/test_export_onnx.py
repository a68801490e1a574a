import json
import sys
from functools import partial

import jax
import numpy as np
import onnx
import onnxruntime
import pytest
from closeness import close
from seeded import drawn
from trunks import TINY

import r3d_jax
from r3d_jax.errors import InputError
from r3d_jax.models.classifier import build
from r3d_jax.models.head import Head
from r3d_jax.models.presets import PRESETS
from r3d_jax.video.clips import ClipSpec
from r3d_jax.weights import export_onnx as module
from r3d_jax.weights.export_onnx import export_onnx
from r3d_jax.weights.trained import TrainedNetwork

CLIP = ClipSpec(frames=4, stride=2, crop=16, train_sizes=(16, 18), test_size=20, frame_rate=12.5, views=7)


def network_of(model, clip=CLIP):
    return TrainedNetwork(model, drawn(model), ("ride", "run", "swim"), clip)


@pytest.fixture
def untried(monkeypatch):
    """Trying a file compiles the network once more."""
    monkeypatch.setattr(module, "_tried", lambda *_: "")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A network, its file and what was said of it."""
    path = tmp_path_factory.mktemp("exported") / "tiny.onnx"
    network = network_of(build("r3d_18", 3, pool=(1, 1, 1), **TINY))
    return network, path, export_onnx(network, path)


def compare(network, path, rng, *, kinds=("logits",), size=(18, 23)):
    """ONNX Runtime's outputs beside the network's own, for several videos and views of frames that are not square."""
    channels = network.model.trunk.input_planes
    clips = rng.integers(0, 256, (2, 3, network.clip.frames, *size, channels), np.uint8)
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    found = session.run(list(kinds), {"clips": clips})
    expected = jax.jit(partial(r3d_jax.predict_fn, model=network.model))(network.variables, clips)
    close(found, jax.tree.leaves(expected))
    return session, clips, found


@pytest.mark.slow
def test_onnx_runtime_gives_the_networks_logits_and_probabilities(exported, rng):
    network, path, lines = exported
    session, clips, (logits,) = compare(network, path, rng)
    assert [(each.name, each.type) for each in session.get_inputs()] == [("clips", "tensor(uint8)")]
    assert [each.name for each in session.get_outputs()] == ["logits", "probabilities"]
    (probabilities,) = session.run(["probabilities"], {"clips": clips})
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    close(probabilities, exponentials / exponentials.sum(1, keepdims=True))
    assert "its logits of random clips are the network's, within" in lines[1]


def test_the_file_says_what_its_classes_and_clips_are(exported):
    network, path, _ = exported
    told = onnxruntime.InferenceSession(path.read_bytes()).get_modelmeta().custom_metadata_map
    facts = {name: json.loads(value) for name, value in told.items()}
    assert facts["class_names"] == ["ride", "run", "swim"] and facts["clip_shape"] == [4, 16, 16, 3]
    assert (facts["stride"], facts["frame_rate"], facts["test_size"], facts["least_size"]) == (2, 12.5, 20, 16)
    assert facts["mean"] == list(network.model.mean) and facts["std"] == list(network.model.std)
    assert "[video, view, time, height, width, channel]" in facts["call"]


def test_batch_norm_leaves_nothing_but_a_product_and_a_sum(exported):
    """Runtimes merge these into the convolution before."""
    kinds = [node.op_type for node in onnx.load(exported[1]).graph.node]
    assert (kinds.count("Conv"), kinds.count("Transpose")) == (6, 2)  # before the first convolution, after the last
    assert not {"Sqrt", "Reciprocal", "Pow"} & {*kinds}


@pytest.mark.slow
@pytest.mark.usefixtures("untried")
@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_cells_and_views_whose_probabilities_are_averaged(activation, tmp_path, rng):
    model = build("r3d_18", 3, pool=(1, 2, 2), average="probabilities", activation=activation, **TINY)
    export_onnx(network := network_of(model), tmp_path / "a.onnx")
    compare(network, tmp_path / "a.onnx", rng)


PER_STAGE = ("temporal_kernels", "fast_temporal_kernels", "temporal_conv_1x1", "temporal_strides", "spatial_strides")
KINDS = {
    "r2plus1d_18": {"temporal_pools": (2,)},
    "kenshohara_r3d_18_a": {},  # shortcuts that are not projected
    "r3d_50": {"residual": "preactivated_bottleneck", "shortcut": "preactivated"},
    "ircsn_152": {},  # depthwise
    "slowfast_r50": {"planes": 32},
    "x3d_s": {},
}


@pytest.mark.slow
@pytest.mark.usefixtures("untried")
@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_network_can_be_exported(name, tmp_path, rng):
    """Its first two stages, a block in each, with few channels."""
    preset = PRESETS[name]
    small = {option: getattr(preset, option)[:2] for option in PER_STAGE if hasattr(preset, option)}
    small |= {"blocks": (1, 1), "planes": 8, "stem_planes": 8}
    if hasattr(preset, "groups"):
        small |= {"width_per_group": 4, "groups": min(preset.groups, 2)}
    network = network_of(
        build(name, 3, **small | KINDS[name]), ClipSpec(8, crop=16, train_sizes=(16, 16), test_size=16)
    )
    export_onnx(network, tmp_path / "a.onnx")
    compare(network, tmp_path / "a.onnx", rng)


@pytest.mark.slow
def test_further_heads_have_outputs_of_their_own(tmp_path, rng):
    model = build("r3d_18", 3, **TINY)
    lower = Head(2, "pathway0-stage1-block0", activation="sigmoid", unique_id="lower")
    network = network_of(model.clone(heads=(*model.heads, lower)))
    export_onnx(network, tmp_path / "a.onnx")
    session, clips, (_, second) = compare(network, tmp_path / "a.onnx", rng, kinds=("logits", "logits_1"))
    (probabilities,) = session.run(["probabilities_1"], {"clips": clips})
    close(probabilities, 1 / (1 + np.exp(-second)))


@pytest.mark.usefixtures("untried")
def test_nothing_is_overwritten(exported, tmp_path):
    network, path, _ = exported
    with pytest.raises(InputError, match=r"tiny.onnx is there already"):
        export_onnx(network, path)
    with pytest.raises(InputError, match=r"a.bin must be called \*.onnx"):
        export_onnx(network, tmp_path / "a.bin")


def test_logits_that_are_not_the_networks_are_no_file(exported, tmp_path, monkeypatch):
    network, _, _ = exported
    other = network._replace(variables=jax.tree.map(lambda x: 1.01 * x, network.variables))
    content = module._content(other)
    monkeypatch.setattr(module, "_content", lambda _: content)
    with pytest.raises(InputError, match=r"logits of this network are .* of the largest away .* nothing is written"):
        export_onnx(network, tmp_path / "a.onnx")
    assert not [*tmp_path.iterdir()]


def test_without_the_packages_it_says_what_to_install(exported, tmp_path, monkeypatch):
    network, _, _ = exported
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert export_onnx(network, tmp_path / "a.onnx")[1] == "not tried: the package onnxruntime is not installed"
    monkeypatch.setitem(sys.modules, "r3d_jax.weights.onnx_graph", None)
    with pytest.raises(InputError, match=r"are not installed; install them: pip install onnx onnxruntime"):
        export_onnx(network, tmp_path / "b.onnx")
