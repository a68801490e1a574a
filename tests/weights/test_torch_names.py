"""State dicts of PyTorch to our variables and back."""

from functools import partial

import jax
import numpy as np
import pytest
from closeness import close
from namings import thin
from seeded import case_of, model, tensors

from r3d_jax.models.classifier import Classifier, abstract_variables, build
from r3d_jax.models.head import Head
from r3d_jax.models.presets import PRESETS
from r3d_jax.models.resnet3d import ResNet3D
from r3d_jax.weights.torch_names import (
    from_torch,
    heads_of,
    naming_of,
    refusal_of,
    to_torch,
    torch_names,
    usual_naming,
)

TINY = {"planes": 4, "stem_planes": 4, "blocks": (1, 1, 1, 1)}
CASES = [
    "classy_tiny_postact_bottleneck",
    "classy_tiny_preact_bottleneck",
    "classy_tiny_r2plus1d",
    "classy_tiny_two_heads",
]


def drawn(network, naming, rng):
    """A state dict of random values."""
    return {
        name: rng.standard_normal(shape).astype(np.float32) for name, (_, shape) in torch_names(network, naming).items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", [*CASES, "torchvision_mc3_18"])
def test_what_comes_in_goes_out_again_bit_for_bit_under_the_same_names(name):
    options = case_of(name)
    given, network = tensors(options), model(options)
    naming = naming_of(given)
    assert naming == name.split("_")[0].replace("classy", "classyvision")
    back = to_torch(from_torch(given, network), network, naming)
    assert {key: list(value.shape) for key, value in back.items()} == options["shapes"]
    for key, value in given.items():
        np.testing.assert_array_equal(back[key], value)


@pytest.mark.parametrize("name", ["torchvision_r3d_18", "torchvision_mc3_18", "torchvision_r2plus1d_18"])
def test_torchvisions_names_and_shapes_are_ours(name):
    options = case_of(name)
    names = torch_names(model(options), "torchvision")
    expected = {key: shape for key, shape in options["shapes"].items() if "num_batches" not in key}
    assert {key: list(shape) for key, (_, shape) in names.items()} == expected


def test_a_bottleneck_has_the_names_of_torchvisions_image_and_video_networks():
    trunk = ResNet3D(blocks=(1,), temporal_kernels=((3,),), temporal_conv_1x1=(False,), temporal_strides=(1,),
                     spatial_strides=(1,), residual="postactivated_bottleneck", planes=8, stem_planes=4)  # fmt: skip
    names = torch_names(Classifier(trunk, (Head(3),)), "torchvision_2d")
    parts = ["conv1", "bn1", "conv2", "bn2", "conv3", "bn3", "downsample.0", "downsample.1"]
    expected = {"conv1", "bn1", "fc", *(f"layer1.0.{part}" for part in parts)}
    assert {name.rsplit(".", 1)[0] for name in names} == expected
    video = {name.rsplit(".", 1)[0] for name in torch_names(Classifier(trunk, (Head(3),)), "torchvision")}
    assert {"stem.0", "layer1.0.conv3.0", "layer1.0.conv3.1", "layer1.0.downsample.1"} < video


def test_an_image_networks_kernels_are_repeated_over_the_frames_and_divided_by_them(rng):
    network = build("r3d_18", 3, **TINY)
    flat = {
        name: value[:, :, 0] if value.ndim == 5 else value
        for name, value in drawn(network, "torchvision_2d", rng).items()
    }
    kernel = from_torch(flat, network)["params"]["trunk"]["stem-path0"]["conv1"]["kernel"]
    assert kernel.shape == (3, 7, 7, 3, 4)
    np.testing.assert_allclose(kernel.sum(0), flat["conv1.weight"].transpose(2, 3, 1, 0), rtol=1e-6)
    np.testing.assert_array_equal(kernel[0], kernel[2])


def test_an_inflated_network_sees_a_still_video_as_the_image_network_sees_its_frame(rng):
    """Its stem does, away from the ends in time, where the padding is zero."""
    image = build("r3d_18", 3, **TINY, temporal_kernels=((1,),) * 4, stem_kernel=(1, 7))
    weights = drawn(image, "torchvision", rng)
    weights |= {name: np.abs(value) for name, value in weights.items() if name.endswith("running_var")}
    video = build("r3d_18", 3, **TINY)
    x = np.repeat(rng.standard_normal((1, 1, 32, 32, 3), np.float32), 5, 1)
    seen = []
    for network in (image, video):
        variables = {kind: tree["trunk"] for kind, tree in from_torch(weights, network).items()}
        seen.append(jax.jit(partial(network.trunk.apply, names=("stem-path0",)))(variables, x)["stem-path0"])
    close(seen[1][:, 2], seen[0][:, 2])


def test_all_tensors_that_do_not_fit_are_named_at_once(rng):
    network = build("r3d_18", 3, **TINY)
    given = drawn(network, "torchvision", rng)
    del given["layer1.0.conv1.0.weight"], given["fc.bias"]
    given["layer9.0.conv1.0.weight"] = np.zeros((2, 2), np.float32)
    given["stem.1.weight"] = np.zeros(5, np.float32)
    with pytest.raises(ValueError, match="not of this network") as caught:
        from_torch(given, network)
    lines = str(caught.value).split("\n  ")
    assert lines[1:] == [
        "missing: layer1.0.conv1.0.weight [4, 4, 3, 3, 3]",
        "missing: fc.bias [3]",
        "superfluous: layer9.0.conv1.0.weight [2, 2]",
        "misshaped: stem.1.weight is [5] and should be [4]",
    ]


def test_names_of_something_else_are_refused():
    with pytest.raises(ValueError, match=r"neither a video network .* nor an image ResNet .*: blocks.0.weight"):
        naming_of({"blocks.0.weight": np.zeros(1)})


def test_heads_are_read_from_the_names():
    options = case_of("classy_tiny_two_heads")
    found = [(head.block, head.unique_id, head.num_classes) for head in heads_of(tensors(options), "classyvision")]
    assert found == [("pathway0-stage2-block1", "early", 3), ("pathway0-stage4-block1", "late", 5)]
    with pytest.raises(ValueError, match="have no head: no linear layer under the name that torchvision gives it"):
        heads_of({"stem.0.weight": np.zeros(1)}, "torchvision")


@pytest.mark.parametrize(
    "network, message",
    [
        (model(case_of("classy_tiny_preact_bottleneck")), "torchvision has no names for a pre-activated network"),
        (
            model(case_of("classy_tiny_two_heads")),
            "torchvision has no names for heads but one, on the last block .pathway0-stage4-block1.",
        ),
    ],
)
def test_what_torchvision_has_no_names_for_is_refused(network, message):
    with pytest.raises(ValueError, match=message):
        torch_names(network, "torchvision")


def test_torchvisions_names_are_usual_where_it_has_the_network():
    assert {usual_naming(build(name, 3)) for name in ("r3d_18", "mc3_18", "torchvision_r2plus1d_18")} == {"torchvision"}
    assert usual_naming(build("r3d_18", 3, block="pathway0-stage4-block1")) == "torchvision"
    for network in (build("r3d_34", 3), build("r3d_18", 3, block="stem-path0"), build("r3d_18", 3, planes=4)):
        assert usual_naming(network) == "classyvision"


@pytest.mark.parametrize("name", [name for name, trunk in PRESETS.items() if isinstance(trunk, ResNet3D)])
def test_every_network_can_be_written(name):
    """Under names that all differ, those of a project that has it, or in ClassyVision's manner."""
    network = thin(name)
    for naming in (usual_naming(build(name, 3)), "classyvision"):
        assert not refusal_of(network, naming)
        assert len(torch_names(network, naming)) == len(jax.tree.leaves(abstract_variables(network)))


def test_a_network_gets_the_names_of_a_project_that_has_it():
    homes = {
        "slow_r50": "pytorchvideo",
        "csn_r101": "pytorchvideo",
        "slow_c2d_r50": "pyslowfast",
        "ircsn_50": "mmaction2",
    }
    homes |= {"kenshohara_r3d_18_a": "kenshohara", "vmz_r2plus1d_152": "torchvision", "i3d_r50": "classyvision"}
    assert {name: usual_naming(build(name, 3)) for name in homes} == homes


def test_variables_have_the_structure_of_fresh_ones(rng):
    network = build("r3d_18", 3, **TINY)
    fresh = jax.eval_shape(network.init, jax.random.key(0), jax.ShapeDtypeStruct((1, 4, 32, 32, 3), np.float32))
    ours = from_torch(drawn(network, "torchvision", rng), network)
    assert jax.tree.structure(ours) == jax.tree.structure(fresh)
    assert jax.tree.map(np.shape, ours) == jax.tree.map(np.shape, fresh)
