from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from r3d_jax.errors import InputError
from r3d_jax.weights.integrity import check_numbers, checksum

TENSORS = {
    "kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "half": jnp.arange(3, dtype=jnp.bfloat16),
    "count": np.array(7, np.int64),
    "empty": np.zeros((0, 3), np.float32),
}


def test_the_checksum_is_zlibs_and_stays_what_it_is():
    assert checksum(TENSORS, {"a": [1]}) == "a5150844"
    turned = {name: np.array(value, order="F") for name, value in reversed(TENSORS.items())}
    assert checksum(turned, {"a": [1]}) == checksum(TENSORS, {"a": [1]})


def test_every_byte_counts():
    sound, values = checksum(TENSORS), TENSORS["kernel"].copy()
    flat = values.reshape(-1).view(np.uint8)
    for place in range(flat.size):
        flat[place] ^= 1 << place % 8
        assert checksum(TENSORS | {"kernel": values}) != sound
        flat[place] ^= 1 << place % 8
    assert checksum(TENSORS | {"kernel": values}) == sound


@pytest.mark.parametrize(
    "changes",
    [
        {"kernel": TENSORS["kernel"].reshape(3, 2, 4)},
        {"count": np.array(7, np.uint64)},
        {"empty": np.zeros((3, 0), np.float32)},
        {"more": np.zeros(0, np.float32)},
    ],
)
def test_names_shapes_types_and_facts_count(changes):
    assert checksum(TENSORS | changes) != checksum(TENSORS)
    assert checksum(TENSORS, {"a": 1}) != checksum(TENSORS, {"a": 2})


@pytest.mark.parametrize(
    "value, message",
    [
        (
            np.array([1, 2]),
            r"some.pth: the tensor fc.weight is of type int64, and weights are floating-point numbers; sa",
        ),
        (np.array([True]), "is of type bool"),
        (np.array([1 + 1j]), "is of type complex128"),
        (
            np.array([0, np.nan, np.inf]),
            "some.pth: the tensor fc.weight has 2 values that are not finite, such as nan: ",
        ),
        (np.array([1e300]), "has 1 values that are not finite, such as 1e.300"),
        (jnp.array([-np.inf], jnp.bfloat16), "has 1 values that are not finite, such as -inf"),
    ],
)
def test_what_no_network_can_compute_with_is_refused_by_its_name(value, message):
    with pytest.raises(InputError, match=message) as refused:
        check_numbers(
            {"bn.num_batches_tracked": np.array(3), "fc.bias": np.ones(2), "fc.weight": value}, Path("some.pth")
        )
    assert "\n" not in str(refused.value)


def test_numbers_of_every_floating_point_type_are_taken():
    check_numbers(
        {str(kind): np.ones(3, kind) for kind in (np.float16, np.float32, np.float64, jnp.bfloat16)}, Path("a.pth")
    )
