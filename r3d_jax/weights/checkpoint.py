"""Checkpoints of a run: the last two and the best; the only file that touches Orbax."""

import gc
import logging
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from r3d_jax.errors import InputError
from r3d_jax.weights.complaints import late_complaints_unheard

KEPT = {"last": 2, "best": 1}


class Checkpoints:
    """The checkpoints in a folder, as a context: leaving it waits until what was saved is on disk.

    Saving is atomic (Orbax writes beside and renames) and goes on in the background. Of several processes, one has it.
    For example:

        with Checkpoints(folder) as checkpoints:
            state = checkpoints.restore(state) or state
            checkpoints.save(train(state))
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._managers = {kind: _manager(folder / kind, max_to_keep=count) for kind, count in KEPT.items()}

    def __enter__(self):
        self._closing = ExitStack()  # each, whatever the others raise
        self._closing.enter_context(late_complaints_unheard())
        for manager in self._managers.values():
            self._closing.callback(manager.close)
        return self

    def __exit__(self, *error):
        self._closing.__exit__(*error)

    def save(self, state: Any, kind: str = "last", notes: dict[str, Any] | None = None) -> None:
        """Saves a `TrainState` as the newest checkpoint, unless there is one of its step already.

        Where it cannot be written, this or a later call, or leaving the context, raises what the file system says.

        Args:
          state: arrays on any devices; they are copied before this returns.
          kind: "last", of which the newest two are kept, or "best", of which the newest is.
          notes: numbers and texts that are kept beside the state.
        """
        manager, step = self._managers[kind], int(state.step)
        if step not in manager.all_steps():
            state = jax.tree.map(np.array, state)  # one copy, before the next step takes the memory
            rest = {"step": state.step, "opt_state": state.opt_state}
            items = {"variables": ocp.args.StandardSave(state.variables), "rest": ocp.args.StandardSave(rest)}
            manager.save(step, args=ocp.args.Composite(**items), custom_metadata={"notes": dict(notes or {})})

    def notes(self, step: int) -> dict[str, Any]:
        """What was kept beside the last state of `step`; nothing in checkpoints of earlier versions."""
        kept = self._managers["last"].metadata(step).custom_metadata
        return (kept or {}).get("notes", {})

    def newest(self) -> int | None:
        """The step of the newest of the last checkpoints, sound or not; None where nothing was ever saved."""
        return self._managers["last"].latest_step()

    def restore(self, like: Any) -> Any | None:
        """The newest of the last states that can be read, bit for bit; None where nothing was ever saved.

        Damaged checkpoints are told of and moved into the folder `damaged`, so that their steps can be saved again.

        Args:
          like: a `TrainState` that gives the shapes, the types and the devices.

        Raises:
          InputError: the checkpoint is of another network or optimiser, or none of them can be read.
        """
        rest = {"step": like.step, "opt_state": like.opt_state}
        manager = self._managers["last"]
        found = _restore_newest(manager, {"variables": like.variables, "rest": rest})
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


def restore_variables(folder: Path, like: dict, kind: str = "last") -> dict | None:
    """`params` and `batch_stats` of the newest checkpoint that can be read; None where there is no checkpoint.

    Nothing in the folder is changed.

    Args:
      folder: of checkpoints, as `Checkpoints` has it.
      like: the shapes and types of the variables.
      kind: "last" or "best".

    Raises:
      InputError: the checkpoint is of another network, or none of them can be read.
    """
    if not (folder / kind).is_dir():
        return None
    with _manager(folder / kind, read_only=True) as manager:
        found = _restore_newest(manager, {"variables": like})
    return found and found["variables"]


def _manager(folder, **options):
    logging.getLogger("absl").setLevel(logging.ERROR)  # Orbax warns of options that it sets itself
    if not options.get("read_only"):
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("absl", "asyncio"):  # what they would print of a failure is raised, too
            logging.getLogger(name).setLevel(logging.CRITICAL)
    this = jax.process_index()  # of several processes, one saves, and each reads by itself
    alone = ocp.options.MultiprocessingOptions(
        primary_host=this, active_processes={this}, barrier_sync_key_prefix=f"process{this}"
    )
    handlers = {item: ocp.StandardCheckpointHandler(multiprocessing_options=alone) for item in ("variables", "rest")}
    # Were folders made in the background, a failure would leave threads that hold up the process's end for minutes.
    at_once = ocp.options.AsyncOptions(create_directories_asynchronously=False)
    options = ocp.CheckpointManagerOptions(
        **options, create=False, multiprocessing_options=alone, async_options=at_once
    )
    return ocp.CheckpointManager(folder.absolute(), options=options, item_handlers=handlers)


def _restore_newest(manager, like: dict[str, Any]) -> dict[str, Any] | None:
    steps = sorted(manager.all_steps(), reverse=True)
    for step in steps:
        found, reason = _attempt(partial(_restore, manager, step, like))
        if found is not None:
            return found
        _report_damage(manager.directory, step, steps, reason)
    if steps:
        raise InputError(f"no checkpoint in {manager.directory} can be read; move that folder away to start anew")
    return None


def _restore(manager, step, like):
    stored = {name: manager.item_metadata(step)[name].tree for name in like}
    _check_same_network(manager.directory / str(step), stored, like)
    args = {name: ocp.args.StandardRestore(jax.tree.map(_abstract, item)) for name, item in like.items()}
    return dict(manager.restore(step, args=ocp.args.Composite(**args)))


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


def _shapes(tree):
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {_name(path): f"{leaf.dtype}{list(leaf.shape)}" for path, leaf in leaves}


def _name(path):
    # Orbax stores a tuple as a list and a NamedTuple as a dict: compare by the bare key.
    keys = (getattr(key, "key", getattr(key, "name", getattr(key, "idx", None))) for key in path)
    return "/".join(str(key) for key in keys)


def _report_damage(folder, step, steps, reason):
    older = [other for other in steps if other < step]
    then = f"falling back to the one of step {older[0]}" if older else "there is no older one"
    print(f"The checkpoint {folder / str(step)} is damaged ({reason}); {then}", flush=True)
