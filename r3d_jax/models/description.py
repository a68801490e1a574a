"""A network as plain data and back, for whatever file carries it."""

import math
from typing import Any

from r3d_jax.errors import InputError
from r3d_jax.models.classifier import Classifier, abstract_variables, options, tuples
from r3d_jax.models.head import Head
from r3d_jax.models.resnet3d import ResNet3D
from r3d_jax.models.slowfast import SlowFast
from r3d_jax.models.x3d import X3D

KINDS = {kind.__name__: kind for kind in (ResNet3D, SlowFast, X3D)}
# Beyond these, making out the shapes of the variables would take all time or memory; no network comes near.
MOST_BLOCKS, MOST = 1000, 10**6


def to_dict(model: Classifier) -> dict[str, Any]:
    """A network as dicts, lists, strings and numbers, which JSON can carry; `from_dict` makes it again.

    Returns:
      `kind`, one of KINDS, what the trunk is; `trunk`, a dict of every option of it; `heads`, a list of such dicts;
      `mean` and `std`.
    """
    return {
        "kind": type(model.trunk).__name__,
        "trunk": options(model.trunk),
        "heads": [options(head) for head in model.heads],
        "mean": list(model.mean),
        "std": list(model.std),
    }


def from_dict(description: dict[str, Any]) -> Classifier:
    """The network that `to_dict` has described, in this version or an earlier one, which knew `ResNet3D` alone.

    Raises:
      InputError: an option that this version does not know or that is out of any sense, or an entry that is missing.
    """
    try:
        _check_numbers(description)
        kind = KINDS[description.get("kind", "ResNet3D")]
        trunk = kind(**{name: tuples(value) for name, value in description["trunk"].items()})
        heads = tuple(Head(**{name: tuples(value) for name, value in head.items()}) for head in description["heads"])
        model = Classifier(trunk, heads, tuples(description["mean"]), tuples(description["std"]))
        abstract_variables(model)  # which meets every option, and computes nothing
    except InputError as error:
        raise InputError(f"not the description of a network of this version: {error}") from error
    except Exception as error:  # options of other types and numbers can raise anything
        reason = str(error).partition("\n")[0][:120] or type(error).__name__
        raise InputError(f"not the description of a network of this version ({reason})") from error
    return model


def _check_numbers(description):
    waiting = [description["trunk"], description["heads"], description["mean"], description["std"]]
    if sum(description["trunk"]["blocks"]) > MOST_BLOCKS:
        raise InputError(f"`blocks` (={description['trunk']['blocks']}) must be at most {MOST_BLOCKS} together")
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list | tuple):
            waiting += value.values() if isinstance(value, dict) else value
        elif isinstance(value, int | float) and not (math.isfinite(value) and 0 <= value <= MOST):
            raise InputError(f"an option (={value}) must be a number from 0 to {MOST}")
