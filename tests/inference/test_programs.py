from functools import partial

import jax
import numpy as np
import pytest

from r3d_jax.inference import programs
from r3d_jax.inference.programs import program_for, sharding

TRACED = []


def scaled(variables, x, *, by):
    TRACED.append(x.shape)
    return variables["scale"] * x * by


@pytest.fixture(autouse=True)
def none_kept():
    TRACED.clear()
    programs._program.cache_clear()
    yield
    programs._program.cache_clear()


def run(size, by=2, scale=3.0):
    """As of a new network each time."""
    variables = jax.device_put({"scale": np.float32(scale)}, sharding(whole=True))
    x = jax.device_put((np.ones((2, size), np.float32),), sharding(whole=False))
    found = program_for(partial(scaled, by=by), variables, x).run(variables, x)
    np.testing.assert_array_equal(found, np.full((2, size), scale * by))


def test_networks_of_one_kind_share_a_program():
    for scale in (1.0, 2.0):
        run(4, scale=scale)
    assert len(TRACED) == 1
    run(4, by=5)
    assert len(TRACED) == 2


def test_programs_of_many_sizes_are_not_all_kept():
    sizes = range(1, programs.SHAPES + 2)
    for size in (*sizes, sizes[-1]):
        run(size)
    assert len(TRACED) == len(sizes)
    run(sizes[0])
    assert len(TRACED) == len(sizes) + 1


def test_operands_lie_on_all_devices(devices):
    assert sharding(whole=True).is_fully_replicated and not sharding(whole=False).is_fully_replicated
    assert sharding(whole=False).device_set == set(devices)
