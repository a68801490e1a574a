"""Whether a checkpoint is of the network and of the run that ask for it."""

import os
from collections.abc import Mapping
from typing import Any

import jax

from r3d_jax.config import RENAMED
from r3d_jax.errors import InputError


def check_same_network(path: os.PathLike, stored: Any, like: Any) -> None:
    """Refuses a stored tree of arrays that has other names, shapes or types: Orbax would cast or reshape some silently.

    Args:
      path: of the checkpoint, for the message.
      stored, like: of what there is, and of what is to be read into; arrays, or their shapes and types.

    Raises:
      InputError: they differ; names the first difference.
    """
    here, there = _shapes(like), _shapes(stored)
    differing = sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))
    if differing:
        name = differing[0]
        raise InputError(
            f"the checkpoint {path} is of another network: {name} is {there.get(name, 'missing')} there and "
            f"{here.get(name, 'missing')} here ({len(differing)} differences); use another folder, or the network "
            "and the optimiser that the run was started with"
        )


def check_same_description(path: os.PathLike, stored: Mapping[str, Any] | None, here: Mapping[str, Any] | None) -> None:
    """Refuses a checkpoint whose run's files said something else when it was saved; a later version may ask for more.

    Args:
      path: of the checkpoint, for the message.
      stored, here: {what: value} as it was saved, and as the files say now; None: there is nothing to compare.

    Raises:
      InputError: they differ; names the first difference.
    """
    if stored is None or here is None:
        return
    stored = {_named_now(name): value for name, value in stored.items()}
    if differing := [name for name, value in stored.items() if here.get(name, "missing") != value]:
        name = differing[0]
        raise InputError(
            f"{name} is {here.get(name, 'missing')!r}, but was {stored[name]!r} when the checkpoint {path} was saved "
            f"({len(differing)} differences); put that file back as it was, and give other settings to the command, "
            "other class names to r3d_jax convert"
        )


def _named_now(what):
    """ "FILE: setting" by the name that the setting has now."""
    file, _, name = what.rpartition(": ")
    return f"{file}: {RENAMED[name]}" if name in RENAMED else what


def _shapes(tree):
    return {name: f"{leaf.dtype}{list(leaf.shape)}" for name, leaf in named(tree).items()}


def named(tree: Any) -> dict[str, Any]:
    """{"params/trunk/...": leaf} of a tree, the same for a tree that Orbax has stored and given back."""
    return {_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def _name(path):
    # Orbax stores a tuple as a list and a NamedTuple as a dict: compare by the bare key.
    keys = (getattr(key, "key", getattr(key, "name", getattr(key, "idx", None))) for key in path)
    return "/".join(str(key) for key in keys)
