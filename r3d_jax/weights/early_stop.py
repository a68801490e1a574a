"""The mark of a run that ended before its last epoch, whose best checkpoint is what it has brought."""

import json
from pathlib import Path

from r3d_jax.files import write_text

FILE = "early_stop.json"


def mark(run: Path, step: int) -> None:
    """Notes in a run's folder that it ended early, after `step`."""
    write_text(run / FILE, json.dumps({"step": step}) + "\n")


def unmark(run: Path) -> None:
    """Takes that back, for a run that goes on."""
    (run / FILE).unlink(missing_ok=True)


def ended_early(run: Path) -> bool:
    """Whether a run has ended early."""
    return (run / FILE).exists()
