"""How training goes: means over a few steps, for the metrics log and for the eye."""

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from r3d_jax.training.divergence import check_loss
from r3d_jax.training.logs import Progress
from r3d_jax.training.metrics_log import MetricsLog


class Pace(NamedTuple):
    """What turns steps into the numbers of a report.

    Attributes:
      learning_rates: of every step, on the host: asking the device would wait for the step under way.
      batch_size: clips of a step.
      log_every: steps from one report to the next.
      videos_of: the names of the videos of a batch, by its number from 0; None: not known.
    """

    learning_rates: np.ndarray
    steps_per_epoch: int
    batch_size: int
    log_every: int
    videos_of: Callable[[int], list[str]] | None = None


class Throughput:
    """Means over the steps from one report to the next; the process that writes has a `log`.

    Metrics are read one step late, so that no step waits for it.

    Attributes:
      stop: whether any process has asked for the run to end.
      sums: of the metrics since the last report, with the number of `steps`; a run that is resumed with those that its
        checkpoint was saved with reports what it would have reported uninterrupted.
    """

    def __init__(self, pace: Pace, progress: Progress, log: MetricsLog | None, sums: dict[str, float] | None = None):
        self.stop = False
        self.sums = dict(sums or {})
        self._pace, self._progress, self._log = pace, progress, log
        self._late = None
        self._begun = False
        self.restart()

    def restart(self) -> None:
        """Begins to measure time anew, after what is not training."""
        self._timed, self._waited, self._since = 0, 0.0, time.monotonic()

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
        """Takes the metrics of `step`, and reads those of the step before; the very first at once, to show a sign.

        Raises:
          InputError: the loss that is read is not finite.
        """
        late, self._late = self._late, (step, metrics)
        if late:
            self._take(*late)
        elif not self._begun:
            self.flush()
        self._begun = True
        self._progress.advance()

    def flush(self) -> None:
        """Reads what is still unread.

        Raises:
          InputError: the loss that is read is not finite.
        """
        if self._late:
            self._take(*self._late)
            self._late = None

    def _take(self, step, metrics):
        metrics = jax.device_get(metrics)
        self.stop |= bool(metrics.pop("stop", 0))
        loss, videos_of = float(metrics["loss"]), self._pace.videos_of
        check_loss(loss, f"step {step}", videos_of(step - 1) if videos_of and not math.isfinite(loss) else ())
        self._timed += 1
        for name, value in {"steps": 1, **metrics}.items():
            self.sums[name] = self.sums.get(name, 0) + float(value)
        if step % self._pace.log_every == 0:
            self._report(step)

    def _report(self, step):
        elapsed = max(time.monotonic() - self._since, 1e-9)
        clips = self._timed * self._pace.batch_size
        steps = self.sums.pop("steps")
        numbers = {name: total / steps for name, total in self.sums.items()}
        self.sums = {}
        numbers |= {
            "epoch": step / self._pace.steps_per_epoch,
            "learning_rate": float(self._pace.learning_rates[step - 1]),
            "clips_per_second": clips / elapsed,
            "data_wait": self._waited / elapsed,
        }
        if self._log:
            self._log.add(step, "train", **numbers)
        self._progress.show(
            step,
            "loss {loss:.3f}, lr {learning_rate:g}, top-1 {accuracy:.1%}, {clips_per_second:.1f} clips/s, "
            "waiting {data_wait:.0%}".format(**numbers),
        )
        self.restart()
