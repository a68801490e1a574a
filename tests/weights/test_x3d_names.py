import numpy as np
import pytest
from seeded import case_of, tensors
from siblings import inputs, tiny

from r3d_jax.models.classifier import build
from r3d_jax.weights.torch_names import to_torch, torch_names
from r3d_jax.weights.x3d_names import NAMINGS, check

BLOCK = "pathway0-stage2-block0"


@pytest.mark.slow
def test_pytorchvideos_tensors_go_out_again_bit_for_bit_under_the_same_names(name="ptv_x3d_s"):
    model = build("x3d_s", 400)
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
                *("blocks.0.conv.conv_t", "blocks.0.conv.conv_xy", "blocks.0.norm"),
                *("blocks.2.res_blocks.0.branch2.norm_b.0", "blocks.2.res_blocks.0.branch2.norm_b.1.block.2"),
                *("blocks.2.res_blocks.0.branch1_conv", "blocks.2.res_blocks.0.branch1_norm"),
                *("blocks.3.pool.pre_norm", "blocks.3.pool.post_conv", "blocks.3.proj"),
            ],
        ),
        (
            "pyslowfast",
            [
                *("s1.pathway0_stem.conv_xy", "s1.pathway0_stem.conv", "s1.pathway0_stem.bn"),
                *("s3.pathway0_res0.branch2.b_bn", "s3.pathway0_res0.branch2.se.fc2"),
                *("s3.pathway0_res0.branch1", "s3.pathway0_res0.branch1_bn"),
                *("head.conv_5_bn", "head.lin_5", "head.projection"),
            ],
        ),
    ],
)
def test_each_project_has_its_names(naming, names):
    places = [("stem-path0", "conv1"), ("stem-path0", "conv2"), ("stem-path0", "bn2"), (BLOCK, "residual", "bn2")]
    places += [(BLOCK, "residual", "se", "conv2"), (BLOCK, "shortcut"), (BLOCK, "shortcut", "bn1"), ("conv5", "bn1")]
    places += [("head", "hidden"), ("head",)]
    assert [NAMINGS[naming](tiny("x3d_s").trunk, *place) for place in places] == names


def test_every_tensor_has_a_name_of_its_own():
    model = tiny("x3d_s", shortcut_norm=True, blocks=(2, 3))
    names = torch_names(model, "pyslowfast")
    assert len({path for path, _ in names.values()}) == len(names)


def test_a_batch_norm_that_the_project_lacks_is_refused():
    check(tiny("x3d_s", stem_planes=16).trunk, "pyslowfast")  # every projection has one then
    with pytest.raises(ValueError, match="`shortcut_norm` False, but here it is True"):
        check(tiny("x3d_s", shortcut_norm=True).trunk, "pytorchvideo")
