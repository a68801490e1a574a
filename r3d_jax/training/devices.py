"""Steps on all devices of all processes: compiled ahead, fed with each process's part of a batch."""

import ctypes
import os
from contextlib import suppress
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import lax

from r3d_jax.compiling import compiler_options

AXIS = "batch"


def pmap(step, replicated, batch, *, devices: list[jax.Device], donate: bool = False, **static):
    """`step` compiled for `devices`: the first argument whole on each, the batch split along its first axis.

    Called with a replicated argument as `replicate` places it and a batch as `split_over` gives it, it returns what
    `step` does, and how many devices ask for the run to end.

    Args:
      step: `train_step` or `eval_step`; `static` are its further arguments, but the `axis_name`.
      donate: whether the replicated argument's memory is used for what comes out, so that it can go in only once.
    """

    def mapped(replicated, batch):
        arrays = {name: values for name, values in batch.items() if name != "stop"}
        return step(replicated, arrays, axis_name=AXIS, **static), lax.psum(batch["stop"][0], AXIS)

    compiled = jax.pmap(
        mapped,
        axis_name=AXIS,
        in_axes=(None, 0),
        out_axes=None,
        devices=devices,
        donate_argnums=(0,) if donate else (),
    )
    return compiled_ahead(compiled, replicated, batch, platform=devices[0].platform)


def compiled_ahead(function, *arguments, platform: str):
    """A jitted or pmapped `function` compiled for such arguments; what compiling has freed goes back to the system.

    Args:
      arguments: arrays, or their shapes.
      platform: what it is compiled for, such as "cpu".
    """
    compiled = function.lower(*arguments).compile(compiler_options=compiler_options(platform))
    give_memory_back()
    return compiled


def alone(step, **static):
    """`step` for one device as a function of what `pmap`'s is called with, not compiled yet; it returns the same.

    Args:
      step: as `pmap` takes it, with `static`.
    """

    def called(replicated, batch):
        arrays = {name: values[0] for name, values in batch.items()}
        stop = arrays.pop("stop")
        return step(replicated, arrays, **static), stop[0]

    return called


def give_memory_back() -> None:
    """Returns to the system what the C library keeps of freed memory, where it can: hundreds of MiB after compiling."""
    with suppress(OSError, AttributeError, TypeError):  # Windows, macOS and musl have no such call
        ctypes.CDLL(None).malloc_trim(0)


def replicate(tree: Any, devices: list[jax.Device]) -> Any:
    """`tree`, the same in every process, whole on each device; placed otherwise, a step would compile once more."""
    return jax.device_put(tree, _sharding(devices))


def placed(shapes: Any, devices: list[jax.Device]) -> Any:
    """Abstract arrays as `replicate` would place them: what a checkpoint is restored to."""
    return jax.tree.map(partial(_placed, sharding=_sharding(devices)), shapes)


def split_over(batch: dict[str, Any], devices: list[jax.Device], stop: bool = False) -> dict[str, jax.Array]:
    """This process's [batch, ...] arrays on its devices, as its rows of global [device, batch / devices, ...] arrays.

    Copying to the devices goes on after this returns.

    Args:
      stop: whether this process asks for the run to end.
    """
    local = local_count(devices)
    arrays = {name: x.reshape(local, -1, *x.shape[1:]) for name, x in batch.items()}
    arrays["stop"] = np.full((local, 1), stop, np.int32)
    sharding = _sharding(devices, AXIS)
    return {name: jax.make_array_from_process_local_data(sharding, x) for name, x in arrays.items()}


def local_count(devices: list[jax.Device]) -> int:
    """How many of `devices` are this process's."""
    return sum(device.process_index == jax.process_index() for device in devices)


def memory_of(device: Any) -> int:
    """Bytes of memory that a device has for arrays; of a CPU, the machine's."""
    stats = device.memory_stats() or {}
    return stats.get("bytes_limit") or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _placed(x, sharding):
    return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)


def _sharding(devices, *axes):
    return jax.sharding.NamedSharding(jax.sharding.Mesh(devices, (AXIS,)), jax.sharding.PartitionSpec(*axes))
