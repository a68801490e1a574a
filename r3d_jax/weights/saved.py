"""A network in one file: a PyTorch state dict as safetensors, whose header says what JAX needs to use it."""

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

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
      frame_rate: that videos were brought to first, by their time stamps; 0: every frame counted.
      views, crops: of a test video, as in `config.ClipConfig`.
    """

    model: Classifier
    variables: dict
    class_names: tuple[str, ...]
    clip_shape: tuple[int, int, int, int]
    stride: int
    test_size: int
    frame_rate: float = 0.0
    views: int = 10
    crops: int = 1

    @property
    def mean(self) -> tuple[float, ...]:
        """Of the pixels over 255, for each channel."""
        return self.model.mean

    @property
    def std(self) -> tuple[float, ...]:
        """Likewise their standard deviation."""
        return self.model.std


def to_facts(network: Loaded) -> dict[str, Any]:
    """Everything but the variables, for a file to carry as JSON."""
    facts = {name: value for name, value in network._asdict().items() if name not in ("model", "variables")}
    return {"network": to_dict(network.model), **facts}


def from_facts(path: Path, facts: dict[str, Any], variables_of: Callable[[Classifier], dict]) -> Loaded:
    """The network that `to_facts` has described in the file `path`, with what `variables_of` has for its model.

    Raises:
      KeyError, TypeError: something is missing or of another kind.
      InputError: a network that this version does not know.
    """
    facts = {name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()}
    model = from_dict(facts.pop("network"))
    if (count := model.heads[0].num_classes) != len(facts["class_names"]):
        raise InputError(
            f"{path} names {len(facts['class_names'])} classes, but its head has {count}; it needs one name for each: "
            "convert or export the network again"
        )
    known = {name: value for name, value in facts.items() if name in Loaded._fields}
    return Loaded(model, variables_of(model), **known)


def write(path: Path, network: Loaded, layout: str) -> None:
    """Writes `network` under the names of `layout` (see `models.pretrained`), whole or not at all.

    Raises:
      InputError: a network that the layout has no names for; a file that is there already.
    """
    if path.exists():
        raise InputError(f"{path} is there already; name another file, or move it away")
    tensors = to_torch(network.variables, network.model, layout)
    header = json.dumps(to_facts(network))
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
        return from_facts(path, header, partial(from_torch, tensors))
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
