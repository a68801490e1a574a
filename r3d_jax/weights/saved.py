"""A network in one file: a PyTorch state dict as safetensors, whose header says what JAX needs to use it."""

import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from r3d_jax.errors import InputError
from r3d_jax.models.classifier import Classifier
from r3d_jax.models.description import from_dict, to_dict
from r3d_jax.models.pretrained import from_torch, to_torch

_HEADER = "r3d_jax"


class Loaded(NamedTuple):
    """A trained network.

    Attributes:
      class_names: of the columns of its (first) head.
      clip_shape: (time, height, width, channel) of its training clips.
      stride: of the frames in a clip.
      test_size: short edge that its test frames were resized to.
    """

    model: Classifier
    variables: dict
    class_names: tuple[str, ...]
    clip_shape: tuple[int, int, int, int]
    stride: int
    test_size: int


def write(path: Path, network: Loaded, layout: str) -> None:
    """Writes `network` under the names of `layout` (see `models.pretrained`), whole or not at all.

    Raises:
      InputError: a network that the layout has no names for; a file that is there already.
    """
    if path.exists():
        raise InputError(f"{path} is there already; name another file, or move it away")
    tensors = to_torch(network.variables, network.model, layout)
    facts = network._asdict()
    facts = {name: facts[name] for name in ("class_names", "clip_shape", "stride", "test_size")}
    header = json.dumps({"network": to_dict(network.model), **facts})
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.tmp")
    unfinished.write_bytes(save(tensors, {"format": "pt", _HEADER: header}))  # save_file would make it private
    os.replace(unfinished, path)


def read(path: Path) -> Loaded:
    """The network that `write` has written.

    Raises:
      InputError: a file of bare weights, or one that cannot be read.
    """
    tensors, header = read_tensors(path)
    if header is None:
        raise InputError(f"{path} holds weights alone; give them a network: python -m r3d_jax convert {path} OUT")
    try:
        model = from_dict(header["network"])
        class_names, clip_shape = tuple(header["class_names"]), tuple(header["clip_shape"])
        return Loaded(model, from_torch(tensors, model), class_names, clip_shape, header["stride"], header["test_size"])
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} was not written by this version: its header lacks {error}") from error


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict | None]:
    """The tensors of a safetensors file, and what `write` has said of them, if it was `write`.

    Raises:
      InputError: not such a file.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            header = (file.metadata() or {}).get(_HEADER)
            return {name: file.get_tensor(name) for name in file.keys()}, header and json.loads(header)  # noqa: SIM118
    except (SafetensorError, ValueError, TypeError) as error:
        raise InputError(f"{path} is no safetensors file that can be read ({error})") from error
