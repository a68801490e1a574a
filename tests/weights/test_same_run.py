from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from r3d_jax.errors import InputError
from r3d_jax.weights.same_run import check_same_description, check_same_network, named

PATH = Path("runs/mine/checkpoints/last/3")


class Momentum(NamedTuple):
    trace: np.ndarray


def test_a_tree_has_the_names_that_it_has_when_it_is_read_back():
    array = np.zeros(3, np.float32)
    assert named((Momentum({"kernel": array}),)).keys() == named([{"trace": {"kernel": array}}]).keys()


def test_the_first_difference_of_a_network_is_named():
    here = {"kernel": np.zeros((3, 4), np.float32), "scale": np.zeros(4, np.float32)}
    check_same_network(PATH, dict(here), here)
    there = {"kernel": np.zeros((3, 5), np.float32)}
    with pytest.raises(InputError, match=r"kernel is float32\[3, 5\] there and float32\[3, 4\] here \(2 differences\)"):
        check_same_network(PATH, there, here)


def test_the_first_difference_of_a_description_is_named():
    check_same_description(PATH, None, {"classes": ["a"]})
    check_same_description(PATH, {"classes": ["a"]}, {"classes": ["a"], "asked by a later version": 1})
    with pytest.raises(InputError, match=r"classes is \['b', 'a'\], but was \['a', 'b'\] when the checkpoint .*/3 was"):
        check_same_description(PATH, {"classes": ["a", "b"]}, {"classes": ["b", "a"]})


def test_a_setting_of_an_earlier_name_is_compared_with_what_it_is_called_now():
    stored = {"config.json: train.micro_batches": 2}
    check_same_description(PATH, stored, {"config.json: train.gradient_accumulation": 2})
    with pytest.raises(InputError, match=r"train.gradient_accumulation is 1, but was 2 when"):
        check_same_description(PATH, stored, {"config.json: train.gradient_accumulation": 1})
