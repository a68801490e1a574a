"""A network as plain data and back, for whatever file carries it."""

from typing import Any

from r3d_jax.errors import InputError
from r3d_jax.models.classifier import Classifier, options, tuples
from r3d_jax.models.head import Head
from r3d_jax.models.resnet3d import ResNet3D
from r3d_jax.models.slowfast import SlowFast
from r3d_jax.models.x3d import X3D

KINDS = {kind.__name__: kind for kind in (ResNet3D, SlowFast, X3D)}


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
      InputError: an option that this version does not know, or an entry that is missing.
    """
    try:
        kind = KINDS[description.get("kind", "ResNet3D")]
        trunk = kind(**{name: tuples(value) for name, value in description["trunk"].items()})
        heads = tuple(Head(**{name: tuples(value) for name, value in head.items()}) for head in description["heads"])
        return Classifier(trunk, heads, tuples(description["mean"]), tuples(description["std"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"not the description of a network of this version ({error})") from error
