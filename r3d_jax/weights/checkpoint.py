"""Checkpoints of a run: the last two and the best; the only file that touches Orbax."""

import gc
import json
import logging
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from r3d_jax.errors import InputError
from r3d_jax.weights.complaints import late_complaints_unheard
from r3d_jax.weights.integrity import checksum
from r3d_jax.weights.same_run import check_same_description, check_same_network, named
from r3d_jax.weights.stored_state import from_items, like_stored, to_items

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
            items = to_items(state)
            facts = {"description": self._description, "notes": dict(notes or {})}
            sums = {name: checksum(named(item), facts) for name, item in items.items()}
            args = {name: ocp.args.StandardSave(item) for name, item in items.items()}
            args["facts"] = ocp.args.JsonSave(facts | {"crc32": sums})
            manager.save(step, args=ocp.args.Composite(**args))

    def notes(self, step: int) -> dict[str, Any]:
        """What was kept beside the last state of `step`; nothing in checkpoints of earlier versions."""
        manager = self._managers["last"]
        if not _has_facts(manager, step):
            return {}
        return manager.restore(step, args=ocp.args.Composite(facts=ocp.args.JsonRestore()))["facts"]["notes"]

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
        manager = self._managers["last"]
        found = _restore_newest(manager, to_items(like), self._description)
        if found is None:
            return None
        for step in manager.all_steps():
            if step > int(found["rest"]["step"]):
                damaged = self._folder / "damaged"
                damaged.mkdir(exist_ok=True)
                (manager.directory / str(step)).rename(damaged / f"{step}-{time.time_ns()}")
        manager.reload()
        return from_items(found, like)


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
        for name in ("absl", "asyncio"):  # what they would print of a failure is raised, too
            logging.getLogger(name).setLevel(logging.CRITICAL)
    this = jax.process_index()  # of several processes, one saves, and each reads by itself
    alone = ocp.options.MultiprocessingOptions(
        primary_host=this, active_processes={this}, barrier_sync_key_prefix=f"process{this}"
    )
    handlers = {item: ocp.StandardCheckpointHandler(multiprocessing_options=alone) for item in ("variables", "rest")}
    handlers["facts"] = ocp.JsonCheckpointHandler(multiprocessing_options=alone)
    # Were folders made in the background, a failure would leave threads that hold up the process's end for minutes.
    at_once = ocp.options.AsyncOptions(create_directories_asynchronously=False)
    options = ocp.CheckpointManagerOptions(
        **options, create=False, multiprocessing_options=alone, async_options=at_once
    )
    return ocp.CheckpointManager(folder.absolute(), options=options, item_handlers=handlers)


def _restore_newest(manager, like: dict[str, Any], description) -> dict[str, Any] | None:
    steps = sorted(manager.all_steps(), reverse=True)
    for step in steps:
        found, reason = _attempt(partial(_restore, manager, step, like))
        if found is not None:
            items, described = found
            check_same_description(manager.directory / str(step), described, description)
            return items
        _report_damage(manager.directory, step, steps, reason)
    if steps:
        raise InputError(f"no checkpoint in {manager.directory} can be read; move that folder away to start anew")
    return None


def _restore(manager, step, like):
    """The items and the description of the run that they were saved with; of an earlier version, None for that."""
    stored = {name: manager.item_metadata(step)[name].tree for name in like}
    like = like_stored(like, stored)
    check_same_network(manager.directory / str(step), stored, like)
    args = {name: ocp.args.StandardRestore(jax.tree.map(_abstract, item)) for name, item in like.items()}
    if not _has_facts(manager, step):
        return dict(manager.restore(step, args=ocp.args.Composite(**args))), None
    found = manager.restore(step, args=ocp.args.Composite(**args, facts=ocp.args.JsonRestore()))
    items, facts = {name: found[name] for name in like}, found["facts"]
    sums = facts.pop("crc32")
    for name, item in items.items():
        if (now := checksum(named(item), facts)) != sums[name]:
            raise _Changed(f"the CRC-32 of its {name} is {now}, and was {sums[name]} when it was saved")
    return items, facts["description"]


def _has_facts(manager, step):
    """Whether there are checksums, a description and notes beside a state; earlier versions wrote none."""
    return (manager.directory / str(step) / "facts").exists()


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
        try:
            return read(), ""
        except InputError:
            raise
        except _Changed as error:
            return None, str(error)
        except Exception as error:
            time.sleep(0.5)
            reason = str(error).partition("\n")[0][:100] or type(error).__name__
        gc.collect()  # takes a second where much has been compiled, so only then
        return None, reason
    finally:
        sys.excepthook, sys.unraisablehook = hooks


def _abstract(x):
    return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=getattr(x, "sharding", None))


def _as_stored(description):
    """As JSON gives it back."""
    return json.loads(json.dumps(description))


def _report_damage(folder, step, steps, reason):
    older = [other for other in steps if other < step]
    then = f"falling back to the one of step {older[0]}" if older else "there is no older one"
    print(f"The checkpoint {folder / str(step)} is damaged ({reason}); {then}", flush=True)
