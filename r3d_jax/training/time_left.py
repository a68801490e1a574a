"""How long a run is going to take, from its first steps."""

from typing import NamedTuple

FORWARD, TRAINED = 1, 3  # what a clip costs in testing, or below a frozen trunk, and what in training


class Left(NamedTuple):
    """What is left of a run.

    Attributes:
      head_steps, steps: training steps with a frozen trunk, and others.
      tests: how many.
      clips_per_step, clips_per_test: how many clips each of them takes.
      test_clip: pixels of a test clip, as a multiple of a training clip's.
    """

    head_steps: int
    steps: int
    tests: int
    clips_per_step: int
    clips_per_test: int
    test_clip: float


def describe(left: Left, seconds_per_step: float, *, frozen: bool) -> str:
    """A line that says how long the run goes on, its tests included.

    Tests have not been seen yet: a forward pass of a clip counts as a third of its training.

    Args:
      seconds_per_step: of the steps so far, without compiling.
      frozen: whether their trunk was frozen.
    """
    unit = seconds_per_step / (FORWARD if frozen else TRAINED)
    training = unit * (left.head_steps * FORWARD + left.steps * TRAINED)
    testing = unit * FORWARD * left.tests * left.clips_per_test * left.test_clip / left.clips_per_step
    return f"about {duration(training + testing)} to go in all: {duration(training)} of training, {duration(testing)} of tests"


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
