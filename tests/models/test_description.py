import json

import pytest
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


@pytest.mark.parametrize("broken", [{"trunk": {"layers": 3}, "heads": [], "mean": [], "std": []}, {"trunk": {}}])
def test_a_description_of_another_version_is_refused(broken):
    with pytest.raises(ValueError, match="not the description of a network of this version"):
        from_dict(broken)
