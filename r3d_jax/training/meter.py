"""How training goes: means over a few steps, for the record and for the eye."""

import math
import time
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from r3d_jax.errors import InputError
from r3d_jax.training.progress import Progress
from r3d_jax.training.record import Record
from r3d_jax.training.task import Task


class Meter:
    """Means over the steps between two reports, for the `rows` of the process that writes.

    Metrics are read one step late, so that no step waits for it.
    """

    def __init__(self, task: Task, progress: Progress, rows: Record | None):
        self.stop = False  # whether any process has asked for the run to end
        self._task, self._progress, self._rows = task, progress, rows
        self._every = task.config.train.log_every
        self._late = None
        self._begun = False
        self.restart()

    def restart(self) -> None:
        """Starts a report anew, after what is not training."""
        self._read = []
        self._waited, self._since = 0.0, time.monotonic()

    def timed(self, batches: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """`batches`, with the time spent waiting for them counted."""
        while True:
            before = time.monotonic()
            batch = next(batches, None)
            self._waited += time.monotonic() - before
            if batch is None:
                return
            yield batch

    def add(self, step: int, metrics: dict[str, Any]) -> None:
        """Takes the metrics of `step`, and reads those of the step before; the very first at once, to show a sign."""
        late, self._late = self._late, (step, metrics)
        if late:
            self._take(*late)
        elif not self._begun:
            self.flush()
        self._begun = True
        self._progress.advance()

    def flush(self) -> None:
        """Reads what is still unread."""
        if self._late:
            self._take(*self._late)
            self._late = None

    def _take(self, step, metrics):
        metrics = jax.device_get(metrics)
        self.stop |= bool(metrics.pop("stop", 0))
        if not math.isfinite(metrics["loss"]):
            raise InputError(
                f"the loss of step {step} is {metrics['loss']}: training has diverged; start again in another "
                "--workdir with a lower `optim.learning_rates`, or from an earlier checkpoint"
            )
        self._read.append(metrics)
        if step % self._every == 0:
            self._report(step)

    def _report(self, step):
        elapsed = max(time.monotonic() - self._since, 1e-9)
        clips = len(self._read) * self._task.config.train.batch_size
        numbers = {name: float(np.mean([metrics[name] for metrics in self._read])) for name in self._read[0]}
        numbers |= {
            "epoch": step / self._task.steps_per_epoch,
            "learning_rate": float(self._task.learning_rates[step - 1]),
            "clips_per_second": clips / elapsed,
            "data_wait": self._waited / elapsed,
        }
        if self._rows:
            self._rows.add(step, "train", **numbers)
        self._progress.show(
            step,
            "loss {loss:.3f}, lr {learning_rate:g}, top-1 {accuracy:.1%}, {clips_per_second:.1f} clips/s, "
            "waiting {data_wait:.0%}".format(**numbers),
        )
        self.restart()
