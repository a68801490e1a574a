"""A network in one file: a PyTorch state dict as safetensors, whose header says what JAX needs to use it."""

import json
from functools import partial
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from r3d_jax.errors import InputError
from r3d_jax.files import refuse_existing, whole
from r3d_jax.weights.integrity import check_numbers, checksum
from r3d_jax.weights.torch_names import from_torch, to_torch
from r3d_jax.weights.trained import TrainedNetwork, from_facts, to_facts

_HEADER, _CHECKSUM = "r3d_jax", "crc32"


def write(path: Path, network: TrainedNetwork, naming: str) -> None:
    """Writes a network as a safetensors file, whole or not at all; `read` and PyTorch read it.

    Args:
      path: of the new file; folders above it are made.
      naming: whose names the tensors get: one of `torch_names.NAMINGS`, but for "torchvision_2d".

    Raises:
      InputError: a network that the naming has no names for; a file that is there already.
      OSError: the folder cannot be written to.
    """
    refuse_existing(path)
    tensors = to_torch(network.variables, network.model, naming)
    facts = to_facts(network)
    header = json.dumps(facts | {_CHECKSUM: checksum(tensors, facts)})
    with whole(path) as unfinished:
        unfinished.write_bytes(save(tensors, {"format": "pt", _HEADER: header}))  # save_file would make it private


def read(path: Path) -> TrainedNetwork:
    """The network in a file that `write` has written, in this version or an earlier one.

    Raises:
      InputError: a file of bare weights, one that cannot be read or is damaged, one whose header does not describe its
        tensors, or weights that no network can compute with.
    """
    tensors, header = read_tensors(path)
    if header is None:
        raise InputError(f"{path} holds weights alone; give them a network: python -m r3d_jax convert {path} OUT")
    check_numbers(tensors, path)
    try:
        return from_facts(path, header, partial(from_torch, tensors))
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} was not written by this version: its header lacks {error}") from error


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict | None]:
    """What a safetensors file holds: its tensors by name, and the facts that `write` puts into its header.

    Returns:
      {name: array}, and the facts; None for them where `write` has not written the file.

    Raises:
      InputError: not such a file, or one that `write` has written otherwise.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            header = (file.metadata() or {}).get(_HEADER)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        facts = None if header is None else dict(json.loads(header))
    except (SafetensorError, ValueError, TypeError, AttributeError) as error:  # the last: types that NumPy lacks
        raise InputError(f"{path} is no safetensors file that can be read ({error})") from error
    written = (facts or {}).pop(_CHECKSUM, None)  # files of earlier versions have none
    if written is not None and (now := checksum(tensors, facts)) != written:
        raise InputError(
            f"{path} is damaged: the CRC-32 of its tensors and facts is {now}, and was {written} when it was written; "
            f"fetch or convert it again (if it was changed on purpose, take {_CHECKSUM!r} out of its header)"
        )
    return tensors, facts
