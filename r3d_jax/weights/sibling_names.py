"""Names of tensors of the networks that are no `ResNet3D`: SlowFast and X3D."""

import re
from collections.abc import Iterable, Mapping
from types import ModuleType

import numpy as np

from r3d_jax.errors import InputError
from r3d_jax.models.classifier import Classifier
from r3d_jax.models.head import Head
from r3d_jax.models.slowfast import SlowFast
from r3d_jax.models.x3d import X3D
from r3d_jax.weights import slowfast_names, x3d_names

_STARTS = {
    "pytorchvideo": ("blocks.0.multipathway_blocks.", "blocks.0.conv."),
    "mmaction2": ("backbone.slow_path.",),
    "pyslowfast": ("s1.pathway0_stem.",),
}
_HEAD = re.compile(r"(blocks\.\d+)\.proj\.weight|cls_head\.fc_cls\.weight|head\.projection\.weight")


def sibling_of(model: Classifier) -> ModuleType | None:
    """The file with the names of a network's kind; None for a `ResNet3D`."""
    return {SlowFast: slowfast_names, X3D: x3d_names}.get(type(model.trunk))


def naming_of(names: Iterable[str]) -> str:
    """Whose names the tensors of a state dict have: "pytorchvideo", "mmaction2", "pyslowfast" or "" for none of these.

    Args:
      names: of the tensors.
    """
    found = (naming for naming, starts in _STARTS.items() if any(name.startswith(starts) for name in names))
    return next(found, "")


def check(model: Classifier, naming: str) -> None:
    """Refuses a SlowFast or X3D network that a naming has no names for.

    Raises:
      InputError: a naming that lacks this kind of network, or whose project has it with other options or one head only.
    """
    namings, last = sibling_of(model).NAMINGS, model.trunk.block_names()[-1]
    if naming not in namings:
        kind = type(model.trunk).__name__
        raise InputError(f"{naming} has no names for a network of kind {kind}; {' and '.join(namings)} have")
    sibling_of(model).check(model.trunk, naming)
    if len(model.heads) != 1 or model.heads[0].block not in ("", last):
        raise InputError(f"{naming} has one head, on the last block ({last})")


def name_of(model: Classifier, naming: str, modules: tuple[str, ...]) -> str:
    """The name of what a module of a SlowFast or X3D network holds, but for its last part, "weight" for instance.

    Args:
      naming: that `check` takes.
      modules: from "trunk" or "heads_0" to the module.
    """
    part, *inner = modules
    return sibling_of(model).NAMINGS[naming](model.trunk, *inner if part == "trunk" else ("head", *inner))


def usual_naming(model: Classifier) -> str:
    """Whose names the tensors of a SlowFast or X3D network usually get.

    Those of the first project that has its options: "pytorchvideo", else "mmaction2" (SlowFast) or "pyslowfast" (X3D).
    """
    if isinstance(model.trunk, SlowFast):
        return "mmaction2" if model.trunk.fast_first else "pytorchvideo"
    return "pyslowfast" if model.trunk.shortcut_norm else "pytorchvideo"


def head_of(name: str, tensors: Mapping[str, np.ndarray]) -> Head | None:
    """The head whose linear layer has its weights under `name`, pooling any grid and averaging probabilities, or None.

    Args:
      tensors: the state dict.
    """
    if not (found := _HEAD.fullmatch(name)):
        return None
    hidden = tensors.get("head.lin_5.weight", tensors.get(f"{found[1]}.pool.post_conv.weight", ()))
    return Head(len(tensors[name]), average="probabilities", hidden=len(hidden))
