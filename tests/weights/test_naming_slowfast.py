import numpy as np
import pytest
from seeded import case_of, tensors
from siblings import inputs, tiny

from r3d_jax.models.classifier import build
from r3d_jax.weights.naming_slowfast import NAMINGS
from r3d_jax.weights.torch_names import naming_of, to_torch, torch_names, usual_naming

BLOCK = "pathway1-stage2-block0"


@pytest.mark.slow
def test_pytorchvideos_tensors_go_out_again_bit_for_bit_under_the_same_names(name="ptv_slowfast_r50"):
    model = build("slowfast_r50", 400, pool=(16, 2, 2))  # that of the golden test, so that weights are drawn once
    given, back = tensors(case_of(name)), to_torch(inputs(name, model)[0], model, "pytorchvideo")
    assert {key: list(value.shape) for key, value in back.items()} == case_of(name)["shapes"]
    for key, value in given.items():
        np.testing.assert_array_equal(back[key], value)


@pytest.mark.parametrize(
    "naming, names",
    [
        (
            "pytorchvideo",
            [
                *("blocks.0.multipathway_blocks.1.conv", "blocks.0.multipathway_fusion.conv_fast_to_slow"),
                *("blocks.1.multipathway_fusion.norm", "blocks.2.multipathway_blocks.1.res_blocks.0.branch2.norm_b"),
                *("blocks.2.multipathway_blocks.1.res_blocks.0.branch1_conv", "blocks.4.proj"),
            ],
        ),
        (
            "mmaction2",
            [
                *("backbone.fast_path.conv1.conv", "backbone.slow_path.conv1_lateral.conv"),
                *("backbone.slow_path.layer1_lateral.bn", "backbone.fast_path.layer2.0.conv2.bn"),
                *("backbone.fast_path.layer2.0.downsample.conv", "cls_head.fc_cls"),
            ],
        ),
        (
            "pyslowfast",
            [
                *("s1.pathway1_stem.conv", "s1_fuse.conv_f2s", "s2_fuse.bn", "s3.pathway1_res0.branch2.b_bn"),
                *("s3.pathway1_res0.branch1", "head.projection"),
            ],
        ),
    ],
)
def test_each_project_has_its_names(naming, names):
    places = [("stem-path1", "conv1"), ("stem-fusion", "conv1"), ("stage1-fusion", "bn1"), (BLOCK, "residual", "bn2")]
    places += [(BLOCK, "shortcut", "conv1"), ("head",)]
    assert [NAMINGS[naming].module(tiny("slowfast_r50").trunk, *place) for place in places] == names


@pytest.mark.parametrize("name, naming", [("slowfast_r50", "pyslowfast"), ("mmaction2_slowfast_r50", "mmaction2")])
def test_every_tensor_has_a_name_of_its_own(name, naming):
    ours, theirs = torch_names(tiny(name), naming), torch_names(tiny(name, blocks=(2, 3)), naming)
    assert set(ours) < set(theirs) and len({path for path, _ in theirs.values()}) == len(theirs)


@pytest.mark.parametrize("name", ["slowfast_r50", "mmaction2_slowfast_r50"])
def test_usual_names_are_those_of_a_project_that_has_the_network(name):
    naming = usual_naming(tiny(name))
    assert naming == ("mmaction2" if name.startswith("mmaction2") else "pytorchvideo")
    given = {key: np.zeros(shape) for key, (_, shape) in torch_names(tiny(name), naming).items()}
    assert naming_of(given) == naming


@pytest.mark.parametrize(
    "name, options, naming, message",
    [
        ("slowfast_r50", {}, "torchvision", "torchvision has no names for a network of kind SlowFast"),
        ("slowfast_r50", {}, "mmaction2", "no names for a SlowFast with `lateral_norm` True and `fast_first` False"),
        ("slowfast_r50", {"lateral_norm": False}, "pytorchvideo", "`lateral_norm` False and `fast_first` False"),
        ("slowfast_r50", {"block": "stem-path0"}, "pyslowfast", "heads but one, on the last block .joined."),
    ],
)
def test_what_a_project_does_not_have_is_refused(name, options, naming, message):
    with pytest.raises(ValueError, match=message):
        torch_names(tiny(name, **options), naming)
