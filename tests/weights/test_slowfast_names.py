import numpy as np
import pytest
from seeded import case_of, tensors
from siblings import inputs, tiny

from r3d_jax.models.classifier import build
from r3d_jax.weights.slowfast_names import NAMINGS, check
from r3d_jax.weights.torch_names import to_torch, torch_names

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
    assert [NAMINGS[naming](tiny("slowfast_r50").trunk, *place) for place in places] == names


@pytest.mark.parametrize("name, naming", [("slowfast_r50", "pyslowfast"), ("mmaction2_slowfast_r50", "mmaction2")])
def test_every_tensor_has_a_name_of_its_own(name, naming):
    ours, theirs = torch_names(tiny(name), naming), torch_names(tiny(name, blocks=(2, 3)), naming)
    assert set(ours) < set(theirs) and len({path for path, _ in theirs.values()}) == len(theirs)


def test_a_network_of_no_project_is_refused():
    with pytest.raises(ValueError, match="`lateral_norm` True and `fast_first` False, but these are False and False"):
        check(tiny("slowfast_r50", lateral_norm=False).trunk, "pytorchvideo")
