"""Checkpoints of a run: the last two and the best; the only file that touches Orbax."""

import gc
import json
import logging
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from r3d_jax.errors import InputError
from r3d_jax.weights.integrity import checksum

KEPT = {"last": 2, "best": 1}


class Checkpoints:
    """The checkpoints in a folder, as a context: leaving it waits until what was saved is on disk.

    Saving is atomic (Orbax writes beside and renames) and goes on in the background. Beside a state its checksum is
    kept, which is compared whenever it is read. Of several processes, one has it. For example:

        with Checkpoints(folder) as checkpoints:
            state = checkpoints.restore(state) or state
            checkpoints.save(train(state))

    Args:
      folder: of the checkpoints; it is made where there is none.
      description: of the run, as JSON can carry it, {what: value}; it is kept beside each state, and a state that was
        saved with another one is refused. None: states are neither described nor compared.

    Raises:
      InputError: a checkpoint is a link to elsewhere.
    """

    def __init__(self, folder: Path, description: Mapping[str, Any] | None = None):
        if links := [path for kind in KEPT for path in (folder / kind).glob("*") if path.is_symlink()]:
            raise InputError(
                f"{links[0]} is a link, and checkpoints are removed in their turn, which must not reach beyond their "
                "folder; put what it points to in its place, or remove the link"
            )
        self._folder, self._description = folder, _as_stored(description)
        self._managers = {kind: _manager(folder / kind, max_to_keep=count) for kind, count in KEPT.items()}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for manager in self._managers.values():
            manager.close()

    def save(self, state: Any, kind: str = "last") -> None:
        """Saves a `TrainState` as the newest checkpoint, unless there is one of its step already.

        Args:
          state: arrays on any devices; they are copied before this returns.
          kind: "last", of which the newest two are kept, or "best", of which the newest is.
        """
        manager, step = self._managers[kind], int(state.step)
        if step not in manager.all_steps():
            state = jax.tree.map(np.array, state)  # one copy, before the next step takes the memory
            items = {"variables": state.variables, "rest": {"step": state.step, "opt_state": state.opt_state}}
            sums = {name: checksum(_named(item), self._description) for name, item in items.items()}
            args = {name: ocp.args.StandardSave(item) for name, item in items.items()}
            args["facts"] = ocp.args.JsonSave({"description": self._description, "crc32": sums})
            manager.save(step, args=ocp.args.Composite(**args))

    def newest(self) -> int | None:
        """The step of the newest of the last checkpoints, sound or not; None where nothing was ever saved."""
        return self._managers["last"].latest_step()

    def restore(self, like: Any) -> Any | None:
        """The newest of the last states that can be read, bit for bit; None where nothing was ever saved.

        Damaged checkpoints are told of and moved into the folder `damaged`, so that their steps can be saved again.

        Args:
          like: a `TrainState` that gives the shapes, the types and the devices.

        Raises:
          InputError: the checkpoint is of another network or optimiser, was saved with another description, or none of
            them can be read.
        """
        rest = {"step": like.step, "opt_state": like.opt_state}
        manager = self._managers["last"]
        found = _restore_newest(manager, {"variables": like.variables, "rest": rest}, self._description)
        if found is None:
            return None
        for step in manager.all_steps():
            if step > int(found["rest"]["step"]):
                damaged = self._folder / "damaged"
                damaged.mkdir(exist_ok=True)
                (manager.directory / str(step)).rename(damaged / f"{step}-{time.time_ns()}")
        manager.reload()
        variables, rest = found["variables"], found["rest"]
        return like._replace(**variables, **rest)


def restore_variables(
    folder: Path, like: dict, kind: str = "last", description: Mapping[str, Any] | None = None
) -> dict | None:
    """`params` and `batch_stats` of the newest checkpoint that can be read; None where there is no checkpoint.

    Nothing in the folder is changed.

    Args:
      folder: of checkpoints, as `Checkpoints` has it.
      like: the shapes and types of the variables.
      kind: "last" or "best".
      description: of the run, as `Checkpoints` has it.

    Raises:
      InputError: the checkpoint is of another network, was saved with another description, or none of them can be read.
    """
    if not (folder / kind).is_dir():
        return None
    with _manager(folder / kind, read_only=True) as manager:
        found = _restore_newest(manager, {"variables": like}, _as_stored(description))
    return found and found["variables"]


def _manager(folder, **options):
    logging.getLogger("absl").setLevel(logging.ERROR)  # Orbax warns of options that it sets itself
    if not options.get("read_only"):
        folder.mkdir(parents=True, exist_ok=True)
    this = jax.process_index()  # of several processes, one saves, and each reads by itself
    alone = ocp.options.MultiprocessingOptions(
        primary_host=this, active_processes={this}, barrier_sync_key_prefix=f"process{this}"
    )
    handlers = {item: ocp.StandardCheckpointHandler(multiprocessing_options=alone) for item in ("variables", "rest")}
    handlers["facts"] = ocp.JsonCheckpointHandler(multiprocessing_options=alone)
    options = ocp.CheckpointManagerOptions(**options, create=False, multiprocessing_options=alone)
    return ocp.CheckpointManager(folder.absolute(), options=options, item_handlers=handlers)


def _restore_newest(manager, like: dict[str, Any], description) -> dict[str, Any] | None:
    steps = sorted(manager.all_steps(), reverse=True)
    for step in steps:
        found, reason = _attempt(partial(_restore, manager, step, like))
        if found is not None:
            items, described = found
            _check_same_description(manager.directory / str(step), described, description)
            return items
        _report_damage(manager.directory, step, steps, reason)
    if steps:
        raise InputError(f"no checkpoint in {manager.directory} can be read; move that folder away to start anew")
    return None


def _restore(manager, step, like):
    """The items and the description of the run that they were saved with; of an earlier version, None for that."""
    stored = {name: manager.item_metadata(step)[name].tree for name in like}
    _check_same_network(manager.directory / str(step), stored, like)
    args = {name: ocp.args.StandardRestore(jax.tree.map(_abstract, item)) for name, item in like.items()}
    if not (manager.directory / str(step) / "facts").exists():  # an earlier version wrote no checksums
        return dict(manager.restore(step, args=ocp.args.Composite(**args))), None
    found = manager.restore(step, args=ocp.args.Composite(**args, facts=ocp.args.JsonRestore()))
    items, facts = {name: found[name] for name in like}, found["facts"]
    for name, item in items.items():
        if (now := checksum(_named(item), facts["description"])) != facts["crc32"][name]:
            raise _Changed(f"the CRC-32 of its {name} is {now}, and was {facts['crc32'][name]} when it was saved")
    return items, facts["description"]


class _Changed(Exception):
    """What was read is not what was saved."""


def _attempt(read):
    """(what `read` returns, "") or (None, the first line of why it fails), with nothing more printed.

    Orbax and TensorStore raise exceptions of many kinds, bare Exception among them, and leave reads under way that
    complain when they end; so those are given a moment, and the exception goes before complaints are heard again.
    """
    hooks = sys.excepthook, sys.unraisablehook
    sys.excepthook = sys.unraisablehook = lambda *_: None
    try:
        return read(), ""
    except InputError:
        raise
    except _Changed as error:
        return None, str(error)
    except Exception as error:
        time.sleep(0.5)
        return None, str(error).partition("\n")[0][:100] or type(error).__name__
    finally:
        gc.collect()
        sys.excepthook, sys.unraisablehook = hooks


def _abstract(x):
    return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=getattr(x, "sharding", None))


def _check_same_network(path, stored, like):
    """Orbax would cast or reshape some differences silently."""
    here, there = _shapes(like), _shapes(stored)
    differing = sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))
    if differing:
        name = differing[0]
        raise InputError(
            f"the checkpoint {path} is of another network: {name} is {there.get(name, 'missing')} there and "
            f"{here.get(name, 'missing')} here ({len(differing)} differences); use another folder, or the network "
            "and the optimiser that the run was started with"
        )


def _check_same_description(path, stored, here):
    """What the run's files said when it was saved, against what they say now; a later version may ask for more."""
    if stored is None or here is None:
        return
    if differing := [name for name, value in stored.items() if here.get(name, "missing") != value]:
        name = differing[0]
        raise InputError(
            f"{name} is {here.get(name, 'missing')!r}, but was {stored[name]!r} when the checkpoint {path} was saved "
            f"({len(differing)} differences); put that file back as it was, and give other settings to the command, "
            "other class names to r3d_jax convert"
        )


def _as_stored(description):
    """As JSON gives it back."""
    return json.loads(json.dumps(description))


def _shapes(tree):
    return {name: f"{leaf.dtype}{list(leaf.shape)}" for name, leaf in _named(tree).items()}


def _named(tree):
    return {_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def _name(path):
    # Orbax stores a tuple as a list and a NamedTuple as a dict: compare by the bare key.
    keys = (getattr(key, "key", getattr(key, "name", getattr(key, "idx", None))) for key in path)
    return "/".join(str(key) for key in keys)


def _report_damage(folder, step, steps, reason):
    older = [other for other in steps if other < step]
    then = f"falling back to the one of step {older[0]}" if older else "there is no older one"
    print(f"The checkpoint {folder / str(step)} is damaged ({reason}); {then}", flush=True)
