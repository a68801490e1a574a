import os
import platform
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from r3d_jax.training.devices import local_count, memory_of, placed, pmap, replicate, split_over


def step(state, batch, *, axis_name, factor):
    """A step of the same form as training's, which compiles in no time."""
    assert "stop" not in batch
    return state + factor * lax.psum(batch["x"].sum(), axis_name), {"rows": lax.psum(len(batch["x"]), axis_name)}


@pytest.fixture
def batch():
    return {"x": np.arange(4, dtype=np.float32)}


def test_a_step_sees_its_part_of_the_batch_and_gives_one_result(devices, batch):
    state, split = replicate(jnp.ones(3), devices), split_over(batch, devices)
    assert split["x"].shape == (2, 2) and local_count(devices) == 2
    (state, metrics), stop = pmap(step, state, split, devices=devices, factor=2)(state, split)
    np.testing.assert_array_equal(state, 13 * np.ones(3))
    assert int(metrics["rows"]) == 4 and int(stop) == 0


def test_a_device_that_asks_to_stop_is_heard_by_all(devices, batch):
    state, split = replicate(jnp.ones(3), devices), split_over(batch, devices)
    compiled = pmap(step, state, split, devices=devices, factor=1)
    asked = np.array([[0], [1]], np.int32)
    split["stop"] = jax.device_put(asked, split["stop"].sharding)
    assert int(compiled(state, split)[1]) == 1
    assert int(compiled(state, split_over(batch, devices, stop=True))[1]) == 2


def resident():
    """MiB of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_memory_that_is_free_goes_back_to_the_system_once_a_step_is_compiled(devices, batch):
    state, split = replicate(jnp.ones(3), devices), split_over(batch, devices)
    pieces = [bytearray(2000) for _ in range(60_000)]  # 117 MiB
    pieces = pieces[::50]  # what stays lies on top of what is free, which keeps that from going back by itself
    before = resident()
    pmap(step, state, split, devices=devices, factor=3)
    assert resident() < before - 60


def test_a_donated_state_is_used_up(devices, batch):
    state, split = jax.tree.map(jnp.copy, replicate(jnp.ones(3), devices)), split_over(batch, devices)
    compiled = pmap(step, state, split, devices=devices, donate=True, factor=1)
    compiled(state, split)
    assert state.is_deleted()


def test_a_checkpoint_is_restored_to_where_a_state_is_replicated(devices):
    state = {"a": jnp.ones(3), "b": jnp.zeros((), jnp.int32)}
    like = placed(jax.eval_shape(lambda: state), devices)
    assert jax.tree.map(lambda x: x.sharding, like) == jax.tree.map(lambda x: x.sharding, replicate(state, devices))
    assert jax.tree.map(lambda x: (x.shape, x.dtype), like) == jax.tree.map(lambda x: (x.shape, x.dtype), state)


def test_the_memory_of_a_processor_is_the_machines_and_of_others_what_they_say(devices):
    assert 2**28 < memory_of(devices[0]) < 2**50
    card = SimpleNamespace(memory_stats=lambda: {"bytes_limit": 7})
    assert memory_of(card) == 7
