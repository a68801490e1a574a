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
