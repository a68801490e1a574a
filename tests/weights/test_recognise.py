import numpy as np
import pytest
from seeded import case_of, tensors

from r3d_jax.errors import InputError
from r3d_jax.models.classifier import build
from r3d_jax.models.presets import PRESETS
from r3d_jax.weights.recognise import recognise, state_dict_of
from r3d_jax.weights.torch_names import naming_of, torch_names

A, B = np.zeros(2, np.float32), np.ones(3, np.float32)


@pytest.mark.parametrize(
    "content",
    [
        {"a": A, "b.c": B},
        {"a": A, "b": {"c": B}},
        {"state_dict": {"module.a": A, "module.module.b.c": B}, "epoch": 3},
        {"model": {"a": A, "b.c": B}, "optimizer": {"x": A}},
        {"model_state": {"a": A, "b.c": B}},
        {"classy_state_dict": {"base_model": {"model": {"a": A, "b.c": B}}}},
    ],
)
def test_tensors_are_found_wherever_projects_keep_them(content):
    found, config = state_dict_of(content)
    assert found.keys() == {"a", "b.c"} and config is None
    np.testing.assert_array_equal(found["b.c"], B)


def test_a_classyvision_checkpoint_brings_its_configuration():
    model = {"name": "resnext3d"}
    content = {"classy_state_dict": {"base_model": {"model": {"a": A}}}, "input_args": {"config": {"model": model}}}
    assert state_dict_of(content) == ({"a": A}, model)


@pytest.mark.parametrize("content", [{}, [A], {"epoch": 3}, None])
def test_what_holds_no_tensors_is_refused(content):
    with pytest.raises(InputError, match="no state dict in this file: it must hold named tensors"):
        state_dict_of(content)


def of_shapes(network, naming):
    """Its state dict, of arrays that take no memory."""
    return {name: np.broadcast_to(np.float32(0), shape) for name, (_, shape) in torch_names(network, naming).items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, naming",
    [("r3d_34", "torchvision"), ("i3d_r50", "classyvision"), ("r2plus1d_18", "classyvision"),
     ("torchvision_r2plus1d_18", "torchvision"), ("resnext3d_101_32x8d", "classyvision")],
)  # fmt: skip
def test_a_network_is_told_by_the_shapes_of_its_weights(name, naming):
    network, found = recognise(of_shapes(build(name, 7), naming), naming, "", None)
    assert network.trunk == build(name, 7).trunk and network.heads[0].num_classes == 7
    assert found == f"network {name}, which alone fits them"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, naming, found",
    [
        ("slowfast_r101_16x8", "pytorchvideo", "slowfast_r101_16x8"),
        ("slowfast_r50", "pyslowfast", "slowfast_r50"),
        ("mmaction2_slowfast_r50", "mmaction2", "mmaction2_slowfast_r50"),
        ("x3d_s", "pytorchvideo", "x3d_xs or x3d_s or x3d_m"),
    ],
)
def test_so_is_one_of_another_kind(name, naming, found):
    model = build(name, 7)
    network, words = recognise(of_shapes(model, naming), naming, "", None)
    assert network.trunk == model.trunk and words == f"network {found}, which alone fits them"
    assert network.heads == (model.heads[0].clone(average="probabilities"),)


@pytest.mark.slow
def test_an_image_network_is_told_by_its_flat_kernels():
    flat = {
        name: value[:, :, 0] if value.ndim == 5 else value
        for name, value in of_shapes(build("r3d_18", 1000), "torchvision_2d").items()
    }
    _, found = recognise(flat, "torchvision_2d", "r3d_18", None)
    assert found == "network r3d_18"
    with pytest.raises(
        InputError, match=r"these weights fit r3d_18, mc3_18, kenshohara_r3d_18; name the network .`model`"
    ):
        recognise(flat, "torchvision_2d", "", None)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, naming",
    [("slow_r50", "mmaction2"), ("slow_r50", "pyslowfast"), ("mmaction2_i3d_r50", "mmaction2"),
     ("ipcsn_152", "torchvision"), ("mmaction2_i3d_r50_heavy", "mmaction2"),
     ("i3d_r50", "pytorchvideo"), ("kenshohara_r3d_18_a", "kenshohara"),
     ("kenshohara_r2plus1d_18", "kenshohara"), ("r2plus1d_r50", "pytorchvideo"), ("vmz_r2plus1d_34", "torchvision")],
)  # fmt: skip
def test_other_projects_networks_are_told_by_their_names_and_shapes(name, naming):
    tensors = of_shapes(build(name, 7), naming)
    assert naming_of(tensors) == naming
    network, found = recognise(tensors, naming, "", None)
    assert network.trunk == PRESETS[name] and found == f"network {name}, which alone fits them"
    assert network.heads[0].average == ("logits" if naming == "torchvision" else "probabilities")


@pytest.mark.slow
@pytest.mark.parametrize(
    "naming, name, others",
    [("pyslowfast", "pytorchvideo_i3d_r50", "i3d_r50, pytorchvideo_i3d_r50"),
     ("pyslowfast", "c2d_r50", "c2d_r50, slow_c2d_r50"),
     ("torchvision", "i3d_r50", "i3d_r50, pytorchvideo_i3d_r50, mmaction2_i3d_r50")],
)  # fmt: skip
def test_networks_that_differ_in_a_pool_alone_are_asked_for(naming, name, others):
    tensors = of_shapes(build(name, 7), naming)
    with pytest.raises(InputError, match=rf"^these weights fit {others}; name the network .`model`"):
        recognise(tensors, naming, "", None)
    assert recognise(tensors, naming, name, None)[0].trunk == PRESETS[name]


@pytest.mark.slow
@pytest.mark.parametrize(
    "naming, name, like",
    [("pytorchvideo", "csn_r101", "csn_r101"), ("mmaction2", "ircsn_152", "ircsn_50"),
     ("kenshohara", "kenshohara_resnext_101", "kenshohara_resnext_101")],
)  # fmt: skip
def test_another_depth_is_told_with_its_projects_epsilon(naming, name, like):
    model = build(name, 7, blocks=(1, 2, 1, 1))
    network, found = recognise(of_shapes(model, naming), naming, "", None)
    assert network.trunk == model.trunk
    assert found == f"network {like} with `blocks` (1, 2, 1, 1), which alone fits them"


@pytest.mark.slow
@pytest.mark.parametrize("naming, name, epsilon", [("mmaction2", "csn_r101", 1e-3), ("pytorchvideo", "ircsn_50", 1e-5)])
def test_epsilon_is_the_projects(naming, name, epsilon):
    """Tensors of one shape, under the names of two projects."""
    network, _ = recognise(of_shapes(build(name, 7), naming), naming, "", None)
    assert network.trunk == build(name, 7, norm_epsilon=epsilon).trunk


@pytest.mark.slow
def test_tensors_of_what_is_not_ours_are_named():
    tensors = of_shapes(build("mmaction2_i3d_r50", 7), "mmaction2")
    parts = [
        f"layer{stage}.{i}.non_local_block.{part}" for stage in (2, 3) for i in (1, 3) for part in ("g", "phi", "a")
    ]
    extra = {f"backbone.{part}.conv.weight": np.zeros((256, 512, 1, 1, 1)) for part in parts}
    message = (
        r"fit none of ours .mmaction2_i3d_r50 is the nearest, but for "
        r"superfluous: backbone.layer2.1.non_local_block.g.conv.weight \[256, 512, 1, 1, 1\], .*, and 4 more.; name the"
    )
    with pytest.raises(InputError, match=message):
        recognise(tensors | extra, "mmaction2", "", None)


def test_a_configuration_is_believed_and_a_name_before_it():
    options = case_of("classy_tiny_postact_bottleneck")
    heads = [head | {"fork_block": block} for block, head in options["heads"]]
    config, given = options["model"] | {"heads": heads}, tensors(options)
    network, found = recognise(given, "classyvision", "", config)
    assert found == "network as its configuration says" and network.trunk.groups == 2
    assert recognise(given, "classyvision", "r3d_18", config)[1] == "network r3d_18"


def test_weights_of_no_preset_and_names_of_none_are_refused():
    given = tensors(case_of("classy_tiny_r2plus1d"))
    with pytest.raises(InputError, match=r"these weights fit none of ours; name the network .`model`: a preset or a"):
        recognise(given, "classyvision", "", None)
    with pytest.raises(InputError, match=r"no network 'r3d_19'; there are r3d_18, .* or a ClassyVision configuration"):
        recognise(given, "classyvision", "r3d_19", None)
