"""Several processes, on one machine or more, as one run: the first one speaks and writes, all compute."""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from r3d_jax.errors import InputError


def connect(coordinator: str, processes: int, process: int, from_cluster: bool) -> None:
    """Joins the other processes, before anything asks JAX for devices.

    Args:
      coordinator: host:port of the first process, which all can reach; empty: there is one process, or `from_cluster`.
      processes, process: how many there are, and which of them this is, from 0; with a coordinator.
      from_cluster: SLURM, a TPU pod, Open MPI or Kubernetes says in the environment what the others would.

    Raises:
      InputError: arguments that do not go together; the others cannot be reached.
    """
    if not coordinator and not from_cluster:
        if processes or process >= 0:
            raise InputError("`processes` and `process` need `coordinator`, HOST:PORT of the first, the same for all")
        return
    if coordinator and not 0 <= process < processes:
        raise InputError(
            f"`coordinator` needs `processes` (={processes}) and `process` (={process}), from 0 to one less"
        )
    arguments = {"coordinator_address": coordinator, "num_processes": processes, "process_id": process}
    try:
        jax.distributed.initialize(**arguments if coordinator else {})
    except (RuntimeError, ValueError) as error:
        what = f"`coordinator` {coordinator}" if coordinator else "which the cluster's environment names"
        raise InputError(f"cannot join the other processes ({what}): {str(error).splitlines()[0]}") from error


def leave(status: int | str) -> None:
    """Ends this process as `sys.exit` does; one of several that fails, at once, not when all have come to their end."""
    if status and jax.process_count() > 1:
        if isinstance(status, str):
            print(status, file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 1)
    sys.exit(status)


def is_first() -> bool:
    """Whether this process is the one that speaks and writes."""
    return jax.process_index() == 0


def shard() -> tuple[int, int]:
    """(number of this process, how many there are)."""
    return jax.process_index(), jax.process_count()


def first_then_others(function: Callable[[], Any]) -> Any:
    """What `function` returns: in the first process, then, where that has not failed, in the others.

    Raises:
      InputError: the first process has failed; there, what it failed with.
    """
    failure = None
    try:
        result = function() if is_first() else None
    except Exception as error:
        failure = error
    failed = agree(failure is not None)
    if failure is not None:
        raise failure
    if failed:
        raise InputError("stopped, since the first process has; it says why")
    return result if is_first() else function()


def agree(value: Any) -> Any:
    """The first process's `value`: a number, or a tree of arrays of the same shapes in all."""
    if jax.process_count() == 1:
        return value
    agreed = multihost_utils.broadcast_one_to_all(value)
    return type(value)(agreed) if isinstance(value, bool | int) else agreed


def gather(value: dict[int, str]) -> dict[int, str]:
    """All processes' dictionaries in one."""
    if jax.process_count() == 1:
        return value
    text = np.frombuffer(json.dumps(list(value.items())).encode(), np.uint8)
    longest = int(multihost_utils.process_allgather(np.int32(text.size)).max())
    padded = np.pad(text, (0, longest - text.size), constant_values=ord(" "))
    texts = multihost_utils.process_allgather(padded)
    return {number: said for text in texts for number, said in json.loads(bytes(text))}
