import numpy as np
import pytest
from seeded import case_of, tensors
from siblings import inputs, tiny

from r3d_jax.models.classifier import build
from r3d_jax.models.head import Head
from r3d_jax.weights.naming_x3d import NAMINGS
from r3d_jax.weights.recognise import recognise
from r3d_jax.weights.torch_names import heads_of, naming_of, to_torch, torch_names, usual_naming

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
    assert [NAMINGS[naming].module(tiny("x3d_s").trunk, *place) for place in places] == names


def test_every_tensor_has_a_name_of_its_own():
    model = tiny("x3d_s", shortcut_norm=True, blocks=(2, 3))
    names = torch_names(model, "pyslowfast")
    assert len({path for path, _ in names.values()}) == len(names)


@pytest.mark.parametrize("naming", NAMINGS)
def test_whose_they_are_is_told_and_the_head_read(naming):
    model = tiny("x3d_s", shortcut_norm=naming == "pyslowfast")
    assert usual_naming(model) == naming
    given = {key: np.zeros(shape) for key, (_, shape) in torch_names(model, naming).items()}
    assert naming_of(given) == naming
    assert heads_of(given, naming) == (Head(3, average="probabilities", hidden=model.heads[0].hidden),)


@pytest.mark.parametrize(
    "options, naming, message",
    [
        ({}, "mmaction2", "mmaction2 has no names for a network of kind X3D"),
        ({"shortcut_norm": True}, "pytorchvideo", "no names for an X3D with `shortcut_norm` True"),
        ({"block": "stem-path0"}, "pytorchvideo", "heads but one, on the last block .conv5."),
    ],
)
def test_what_a_project_does_not_have_is_refused(options, naming, message):
    torch_names(tiny("x3d_s", stem_planes=16), "pyslowfast")  # every projection has a batch norm then
    with pytest.raises(ValueError, match=message):
        torch_names(tiny("x3d_s", **options), naming)


@pytest.mark.slow
def test_pyslowfasts_networks_are_found():
    model = build("x3d_s", 5, shortcut_norm=True)
    given = {key: np.zeros(shape) for key, (_, shape) in torch_names(model, "pyslowfast").items()}
    network, how = recognise(given, "pyslowfast", "", None)
    assert network.trunk == model.trunk and how.startswith("network x3d_xs or x3d_s or x3d_m")
