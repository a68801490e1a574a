"""Learning-rate schedules as functions of the progress of training, from 0 to 1, as in fvcore and ClassyVision.

`by_step` and `by_epoch` make such a schedule one of the step, which is what optax takes.
"""

import math
from collections.abc import Callable, Sequence

import jax.numpy as jnp

_EPSILON = 1e-6  # so that rounding does not put off a boundary by a step; the reference's value


def piecewise(values: Sequence[float], milestones: Sequence[int], num_epochs: int) -> Callable:
    """The value whose index is the number of milestones (epochs) that have begun."""

    def schedule(progress):
        epoch = jnp.floor((progress + _EPSILON) * num_epochs)
        return jnp.array(values, jnp.float32)[(jnp.array(milestones, jnp.float32) <= epoch).sum()]

    return schedule


def step(values: Sequence[float]) -> Callable:
    """Each of `values` in turn, for an equal part of training."""
    return lambda progress: jnp.array(values, jnp.float32)[jnp.int32((progress + _EPSILON) * len(values))]


def linear(start: float, end: float) -> Callable:
    """A straight line from `start` to `end`: start * (1 - p) + end * p at progress p."""
    return lambda progress: end * progress + start * (1 - progress)


def cosine(start: float, end: float) -> Callable:
    """Half a cosine from `start` to `end` (SGDR without restarts, arXiv:1608.03983)."""
    return lambda progress: end + (start - end) * (1 + jnp.cos(math.pi * progress)) / 2


def polynomial(base: float, power: float) -> Callable:
    """`base` down to zero as a power of what is left of training."""
    return lambda progress: base * (1 - progress) ** power


def composite(schedules: Sequence[Callable], lengths: Sequence[float], rescaled: Sequence[bool]) -> Callable:
    """Schedules one after another, each for a part of training.

    Args:
      lengths: parts of training, 1 together.
      rescaled: whether a schedule runs from 0 to 1 within its part, or is seen at the training's own progress.
    """
    ends = [sum(lengths[: i + 1]) for i in range(len(lengths))]

    def schedule(progress):
        parts = zip(ends, lengths, rescaled)
        places = [(progress - (end - length)) / length if own else progress for end, length, own in parts]
        index = (progress + _EPSILON > jnp.array(ends[:-1], jnp.float32)).sum()
        return jnp.stack([jnp.float32(each(place)) for each, place in zip(schedules, places)])[index]

    return schedule


def by_step(schedule: Callable, total_steps: int) -> Callable:
    """step -> value of a schedule that changes with every step."""
    return lambda step: schedule(step / total_steps)


def by_epoch(schedule: Callable, epochs: int, steps_per_epoch: int) -> Callable:
    """step -> value of a schedule that changes with every epoch."""
    return lambda step: schedule(step // steps_per_epoch / epochs)
