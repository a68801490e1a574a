import json

import pytest
from siblings import tiny
from trunks import TINY

from r3d_jax.models.classifier import build
from r3d_jax.models.description import from_dict, to_dict
from r3d_jax.models.head import Head


def test_a_network_comes_back_from_its_description():
    heads = (
        Head(3, block="stem-path0", pool=(1, 2, 2), unique_id="early"),
        Head(5, average="probabilities"),
    )
    model = build("r3d_18", 5, **TINY).clone(heads=heads)
    assert from_dict(json.loads(json.dumps(to_dict(model)))) == model


@pytest.mark.parametrize("name", ["slowfast_r50", "mmaction2_slowfast_r50", "x3d_s"])
def test_so_does_one_of_another_kind(name):
    description = json.loads(json.dumps(to_dict(tiny(name))))
    assert from_dict(description) == tiny(name) and description["kind"] in ("SlowFast", "X3D")


def test_a_description_of_an_earlier_version_is_of_a_resnet3d():
    description = to_dict(build("r3d_18", 5, **TINY))
    assert description.pop("kind") == "ResNet3D"
    del description["heads"][0]["hidden"]
    assert from_dict(description) == build("r3d_18", 5, **TINY)
    with pytest.raises(ValueError, match=r"not the description of a network of this version .'Transformer'"):
        from_dict(description | {"kind": "Transformer"})


@pytest.mark.parametrize("broken", [{"trunk": {"layers": 3}, "heads": [], "mean": [], "std": []}, {"trunk": {}}])
def test_a_description_of_another_version_is_refused(broken):
    with pytest.raises(ValueError, match=r"not the description of a network of this version"):
        from_dict(broken)


@pytest.mark.parametrize(
    "option, value, message",
    [
        ("blocks", [10**9, 1], r"`blocks` .=\[1000000000, 1\]. must be at most 1000 together"),
        ("planes", -4, "an option .=-4. must be a number from 0 to 1000000"),
        ("planes", 10**12, "an option .=1000000000000. must be a number from 0 to 1000000"),
        ("norm_epsilon", float("nan"), "an option .=nan. must be a number from 0 to 1000000"),
        ("residual", "other", "'other'"),
        ("stem_kernel", 3, ""),
        ("spatial_strides", ["x", 2], ""),
    ],
)
def test_an_option_out_of_any_sense_is_refused_before_anything_is_made(option, value, message):
    description = to_dict(build("r3d_18", 5, **TINY))
    with pytest.raises(ValueError, match=f"not the description of a network of this version.*{message}") as refused:
        from_dict(description | {"trunk": description["trunk"] | {option: value}})
    assert "\n" not in str(refused.value)
