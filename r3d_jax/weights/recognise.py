"""Which network the tensors of a PyTorch file are the weights of."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from r3d_jax.errors import InputError
from r3d_jax.models.classifier import Classifier
from r3d_jax.models.presets import PRESETS
from r3d_jax.weights.classyvision import from_classyvision
from r3d_jax.weights.torch_names import heads_of, torch_names


def state_dict_of(content: Any) -> tuple[dict[str, np.ndarray], dict[str, Any] | None]:
    """The tensors in what a PyTorch file held, wherever projects keep them in their checkpoints.

    Args:
      content: as `read_pth` or a safetensors reader gives it.

    Returns:
      {name: tensor}, without the prefix of a network that was wrapped for several devices; and the configuration of the
      model that a ClassyVision checkpoint brings, or None.

    Raises:
      InputError: no tensors in it.
    """
    config = None
    if isinstance(content, Mapping) and "classy_state_dict" in content:
        config = _inside(content, "input_args", "config", "model")
        content = _inside(content, "classy_state_dict", "base_model") or content["classy_state_dict"]
    for key in ("model", "state_dict", "model_state_dict", "model_state"):
        content = _inside(content, key) or content
    # Names of a network that was wrapped for several devices start with "module.".
    tensors = {re.sub(r"^(module\.)+", "", name): value for name, value in _flat(content)}
    if not tensors:
        raise InputError("no state dict in this file: it must hold named tensors, or a checkpoint that does")
    return tensors, config


def recognise(
    tensors: Mapping[str, np.ndarray], naming: str, name: str, config: dict[str, Any] | None
) -> tuple[Classifier, str]:
    """The network that tensors are the weights of, and a few words on how it was found.

    Args:
      tensors: by the names of their project.
      naming: whose names those are, as `torch_names.naming_of` says.
      name: a preset, or empty: what the configuration says, or the one preset that fits.
      config: ClassyVision's, of the model, if there is one.

    Raises:
      InputError: no such preset; without a name, none that fits, or several; no head among the tensors; options of the
        configuration that do not exist.
    """
    if config and not name:
        return from_classyvision(config), "network as its configuration says"
    heads = heads_of(tensors)
    if name:
        if name not in PRESETS:
            raise InputError(f"no network {name!r}; there are {', '.join(PRESETS)}, or a ClassyVision configuration")
        return Classifier(PRESETS[name], heads), f"network {name}"
    fitting = [name for name, trunk in PRESETS.items() if _fits(tensors, Classifier(trunk, heads), naming)]
    if len(fitting) != 1:
        which = ", ".join(fitting) or "none of ours"
        raise InputError(f"these weights fit {which}; name the network (`model`: a preset or a ClassyVision .json)")
    return Classifier(PRESETS[fitting[0]], heads), f"network {fitting[0]}, which alone fits them"


def _inside(content, *keys):
    """The mapping under `keys`, or None."""
    for key in keys:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content if isinstance(content, Mapping) else None


def _flat(content) -> Iterator[tuple[str, np.ndarray]]:
    """The named arrays in nested mappings, each mapping once: a file may hold one in itself, or in many places."""
    waiting, seen = [("", content)], set()
    while waiting:
        prefix, tree = waiting.pop()
        if not isinstance(tree, Mapping) or id(tree) in seen or len(prefix) > 1000:
            continue
        seen.add(id(tree))
        named = [(f"{prefix}{key}", value) for key, value in tree.items() if isinstance(key, str)]
        yield from ((name, value) for name, value in named if isinstance(value, np.ndarray))
        waiting += [(f"{name}.", value) for name, value in reversed(named) if isinstance(value, Mapping)]


def _fits(tensors, model, naming):
    blocks = (re.search(r"layer\d+\.\d+\.|stage\d+-block\d+\.", name) for name in tensors)
    if len({match[0] for match in blocks if match}) != sum(model.trunk.blocks):
        return False
    found = {name: value.shape for name, value in tensors.items() if not name.endswith("num_batches_tracked")}
    expected = {name: shape for name, (_, shape) in torch_names(model, naming).items()}
    if naming == "torchvision_2d":  # kernels to be inflated
        expected = {name: shape if len(shape) < 5 else shape[:2] + shape[3:] for name, shape in expected.items()}
    return found == expected
