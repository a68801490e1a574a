"""Names of tensors of SlowFast and X3D networks, whose they are and where they are refused."""

import numpy as np
import pytest
from siblings import tiny

from r3d_jax.models.classifier import build
from r3d_jax.models.head import Head
from r3d_jax.weights.sibling_names import check, head_of, name_of, naming_of, sibling_of, usual_naming
from r3d_jax.weights.torch_names import torch_names
from r3d_jax.weights.torch_names import usual_naming as any_usual_naming

NAMINGS = [
    *((name, naming) for name in ("slowfast_r50", "x3d_s") for naming in ("pytorchvideo", "pyslowfast")),
    ("mmaction2_slowfast_r50", "mmaction2"),
]


def network(name, naming):
    return tiny(name, **({"shortcut_norm": True} if (name, naming) == ("x3d_s", "pyslowfast") else {}))


@pytest.mark.parametrize("name, naming", NAMINGS)
def test_whose_names_they_are_is_told_by_the_stem(name, naming):
    assert naming_of(torch_names(network(name, naming), naming)) == naming
    assert naming_of(["conv1.weight", "blocks.0.weight"]) == ""


@pytest.mark.parametrize("name, naming", NAMINGS)
def test_the_head_is_read_from_its_linear_layer(name, naming):
    model = network(name, naming)
    given = {key: np.zeros(shape) for key, (_, shape) in torch_names(model, naming).items()}
    heads = [found for key in given if (found := head_of(key, given))]
    assert heads == [Head(3, average="probabilities", hidden=model.heads[0].hidden)]
    assert head_of("fc.weight", given) is None


def test_a_name_goes_from_the_modules_to_the_tensors_holder():
    assert sibling_of(build("r3d_18", 3)) is None
    assert name_of(tiny("x3d_s"), "pytorchvideo", ("heads_0",)) == "blocks.3.proj"
    assert name_of(tiny("x3d_s"), "pytorchvideo", ("heads_0", "hidden")) == "blocks.3.pool.post_conv"


def test_usual_names_are_those_of_a_project_that_has_the_network():
    models = [tiny("slowfast_r50"), tiny("mmaction2_slowfast_r50"), tiny("x3d_s"), tiny("x3d_s", shortcut_norm=True)]
    usual = ["pytorchvideo", "mmaction2", "pytorchvideo", "pyslowfast"]
    assert list(map(usual_naming, models)) == list(map(any_usual_naming, models)) == usual
    for model, naming in zip(models, usual):
        check(model, naming)


@pytest.mark.parametrize(
    "model, naming, message",
    [
        (tiny("slowfast_r50"), "torchvision", "torchvision has no names for a network of kind SlowFast; pytorchvideo"),
        (
            tiny("x3d_s"),
            "mmaction2",
            "mmaction2 has no names for a network of kind X3D; pytorchvideo and pyslowfast have",
        ),
        (build("r3d_18", 3), "pytorchvideo", "pytorchvideo has no names for a network of kind ResNet3D"),
        (
            tiny("slowfast_r50"),
            "mmaction2",
            "mmaction2 has .* `lateral_norm` False and `fast_first` True, but these are",
        ),
        (tiny("slowfast_r50", fast_first=True), "pyslowfast", "pyslowfast has no names .* `fast_first` False, but"),
        (tiny("x3d_s"), "pyslowfast", "pyslowfast has no names .* `shortcut_norm` True, but here it is False"),
        (tiny("x3d_s", block="stem-path0"), "pytorchvideo", "pytorchvideo has one head, on the last block .conv5."),
    ],
)
def test_what_a_project_does_not_have_is_refused(model, naming, message):
    with pytest.raises(ValueError, match=message):
        torch_names(model, naming)
