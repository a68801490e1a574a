"""How long a run is going to take, tests included: told after its first steps."""

import time

from r3d_jax.training.logs import say
from r3d_jax.training.task import Task

SEEN = 5  # steps that are measured
FORWARD, TRAINED = 1, 3  # what a clip costs in testing or below a frozen trunk, and what in training


class TimeLeft:
    """Measures a few steps in a row, and says once how long the rest is going to take."""

    def __init__(self, task: Task):
        self._task, self._told = task, False
        self.restart()

    def restart(self) -> None:
        """Begins to measure anew with the next step, after what is not training."""
        self._first, self._since = None, 0.0

    def tell(self, step: int) -> None:
        """Takes note of `step`, which has just been taken, and says it where it is the last that is measured."""
        if self._first is None:
            self._first, self._since = step, time.monotonic()
        if step == self._first + SEEN and not self._told:
            self._told = True
            say(describe(self._task, step, (time.monotonic() - self._since) / SEEN))


def describe(task: Task, step: int, seconds: float) -> str:
    """A line that says how long a run goes on after `step`, where its steps have taken so many `seconds` each.

    Tests have not been seen yet: a forward pass of a clip counts as a third of its training.
    """
    config, per_epoch = task.config, len(task.train)
    kept = config.finetune.freeze_trunk
    unit = seconds / (FORWARD if kept or step <= task.head_steps else TRAINED)
    of_head = max(0, task.head_steps - step)
    steps = of_head * FORWARD + (task.total_steps - step - of_head) * (FORWARD if kept else TRAINED)
    epochs = range(step // per_epoch + 1, config.train.epochs + 1)
    tests = sum(epoch % config.eval.every == 0 or epoch == config.train.epochs for epoch in epochs)
    clips = (
        min(config.eval.videos or task.test.num_videos, task.test.num_videos) * config.clip.views * config.clip.crops
    )
    training = unit * steps
    testing = unit * FORWARD * tests * clips * task.test_clip / config.train.batch_size
    most = "at most " if config.train.patience else ""
    parts = f"{duration(training)} of training and {duration(testing)} of tests"
    return f"{most or 'about '}{duration(training + testing)} to go in all: {parts}"


def duration(seconds: float) -> str:
    """A length of time in words, rounded to what is of interest.

    For example, `duration(5000)` is "1 hour 23 minutes".
    """
    minutes = round(seconds / 60)
    if seconds < 60 and round(seconds) < 60:
        return _counted(round(seconds), "second")
    if minutes < 60:
        return _counted(minutes, "minute")
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return " ".join([_counted(hours, "hour"), *[_counted(minutes, "minute")] * bool(minutes)])
    days, hours = divmod(round(seconds / 3600), 24)
    return " ".join([_counted(days, "day"), *[_counted(hours, "hour")] * bool(hours)])


def _counted(number, what):
    return f"{number} {what}{'' if number == 1 else 's'}"
