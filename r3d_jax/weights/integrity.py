"""Whether weights are the ones that were saved, and numbers that a network can compute with."""

import json
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from r3d_jax.errors import InputError


def checksum(tensors: Mapping[str, np.ndarray | jax.Array], facts: Any = None) -> str:
    """CRC-32 of named arrays and of what is said about them, as eight hexadecimal digits.

    Names, types, shapes and bytes count, the order of the names does not. What is flipped by accident is missed once in
    2**32 times; whoever changes a file on purpose can write its checksum too.

    Args:
      tensors: {name: array} of any types.
      facts: what JSON can carry.
    """
    values = [np.asarray(value) for _, value in sorted(tensors.items())]
    with ThreadPoolExecutor() as threads:  # zlib lets them run side by side
        sums = list(threads.map(_of_bytes, values))
    rows = [[name, value.dtype.name, *value.shape, crc] for name, value, crc in zip(sorted(tensors), values, sums)]
    return f"{zlib.crc32(json.dumps([facts, rows], sort_keys=True).encode()):08x}"


def _of_bytes(value):
    return zlib.crc32(np.ascontiguousarray(value).reshape(-1).view(np.uint8))


def check_numbers(tensors: Mapping[str, np.ndarray | jax.Array], path: Path) -> None:
    """Refuses weights that no network can compute with; counters of batches (`num_batches_tracked`) may be integers.

    Args:
      tensors: {name: array}.
      path: where they are from, for the message.

    Raises:
      InputError: a tensor is of no floating-point type, or has a value that is not finite in float32; names the first.
    """
    for name, value in tensors.items():
        if name.endswith("num_batches_tracked"):
            continue
        if not jnp.issubdtype(value.dtype, jnp.floating):
            raise InputError(
                f"{path}: the tensor {name} is of type {value.dtype}, and weights are floating-point numbers; save "
                "them as float32, without quantisation"
            )
        with np.errstate(over="ignore"):
            used = np.asarray(value, np.float32)
        if not all_finite(used):
            finite = np.isfinite(used)
            raise InputError(
                f"{path}: the tensor {name} has {finite.size - finite.sum()} values that are not finite, such as "
                f"{np.asarray(value)[~finite][0]}: the file is damaged, or its training diverged; take an earlier one"
            )


def all_finite(x: np.ndarray) -> bool:
    """Whether no value of an array, of float32 or wider, is infinite or no number."""
    with np.errstate(over="ignore", invalid="ignore"):
        # The sum is much sooner had than a mask of all values; but huge values may exceed it.
        return bool(np.isfinite(x.sum()) or np.isfinite(x).all())
