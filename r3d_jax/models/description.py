"""A network as plain data and back, for whatever file carries it."""

from typing import Any

from r3d_jax.errors import InputError
from r3d_jax.models.classifier import Classifier, options, tuples
from r3d_jax.models.head import Head
from r3d_jax.models.resnet3d import ResNet3D


def to_dict(model: Classifier) -> dict[str, Any]:
    """A network as dicts, lists, strings and numbers, which JSON can carry; `from_dict` makes it again.

    Returns:
      `trunk`, a dict of every option of the trunk; `heads`, a list of such dicts; `mean` and `std`.
    """
    heads = [options(head) for head in model.heads]
    return {"trunk": options(model.trunk), "heads": heads, "mean": list(model.mean), "std": list(model.std)}


def from_dict(description: dict[str, Any]) -> Classifier:
    """The network that `to_dict` has described.

    Raises:
      InputError: an option that this version does not know, or an entry that is missing.
    """
    try:
        trunk = ResNet3D(**{name: tuples(value) for name, value in description["trunk"].items()})
        heads = tuple(Head(**{name: tuples(value) for name, value in head.items()}) for head in description["heads"])
        return Classifier(trunk, heads, tuples(description["mean"]), tuples(description["std"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"not the description of a network of this version ({error})") from error
