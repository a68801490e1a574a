"""The folder of a run's checkpoints from without: how much it is going to hold, and what was left unfinished in it."""

import shutil
from pathlib import Path
from typing import Any

import jax

from r3d_jax.weights.checkpoint import KEPT


def bytes_of(state: Any) -> int:
    """What a checkpoint of a `TrainState`, or of one of abstract arrays, takes on disk, at most."""
    return 2**18 + sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(state))  # Orbax's own files beside it


def bytes_needed(folder: Path, state: Any) -> int:
    """What has to be free for a run to keep its checkpoints in `folder`, those that are there left aside.

    It keeps the last two and the best, while one more is written.

    Args:
      state: as `bytes_of` takes it.
    """
    there = {kind: sum(path.name.isdigit() for path in (folder / kind).glob("*")) for kind in KEPT}
    missing = sum(max(0, count - there[kind]) for kind, count in KEPT.items())
    return (missing + 1) * bytes_of(state)


def remove_unfinished(folder: Path) -> list[Path]:
    """Removes what processes that were killed have left of checkpoints in `folder`, and says what that was.

    Only a process that no other one saves beside may call it, before it saves anything itself.
    """
    left = sorted(folder.glob("*/*.orbax-checkpoint-tmp"))
    for path in left:
        shutil.rmtree(path)
    return left
