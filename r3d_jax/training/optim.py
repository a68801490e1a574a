"""Learning-rate schedules and the optax chain, with PyTorch's SGD semantics.

A schedule is a function of where training stands, from 0 to 1, as in fvcore and ClassyVision; `by_step` and `by_epoch`
make it one of the step.
"""

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import optax

from r3d_jax.config import OptimConfig

_EPSILON = 1e-6  # so that rounding does not put off a boundary by a step; the reference's value


def multistep(values: Sequence[float], milestones: Sequence[int], num_epochs: int) -> Callable:
    """The value whose index is the number of milestones (epochs) that have begun."""

    def schedule(where):
        epoch = jnp.floor((where + _EPSILON) * num_epochs)
        return jnp.array(values, jnp.float32)[(jnp.array(milestones, jnp.float32) <= epoch).sum()]

    return schedule


def step(values: Sequence[float]) -> Callable:
    """Each value for an equal part of training."""
    return lambda where: jnp.array(values, jnp.float32)[jnp.int32((where + _EPSILON) * len(values))]


def linear(start: float, end: float) -> Callable:
    """A straight line."""
    return lambda where: end * where + start * (1 - where)


def cosine(start: float, end: float) -> Callable:
    """Half a cosine (SGDR without restarts, arXiv:1608.03983)."""
    return lambda where: end + (start - end) * (1 + jnp.cos(math.pi * where)) / 2


def polynomial(base: float, power: float) -> Callable:
    """`base` down to zero as a power of what is left of training."""
    return lambda where: base * (1 - where) ** power


def composite(schedules: Sequence[Callable], lengths: Sequence[float], rescaled: Sequence[bool]) -> Callable:
    """Schedules one after another, each for its share of training.

    Args:
      lengths: shares, 1 together.
      rescaled: whether a schedule runs from 0 to 1 within its share, or is seen at the training's own place.
    """
    ends = [sum(lengths[: i + 1]) for i in range(len(lengths))]

    def schedule(where):
        places = [
            (where - (end - length)) / length if own else where for end, length, own in zip(ends, lengths, rescaled)
        ]
        index = (where + _EPSILON > jnp.array(ends[:-1], jnp.float32)).sum()
        return jnp.stack([jnp.float32(each(place)) for each, place in zip(schedules, places)])[index]

    return schedule


def by_step(schedule: Callable, total_steps: int) -> Callable:
    """step -> value of a schedule that changes with every step."""
    return lambda step: schedule(step / total_steps)


def by_epoch(schedule: Callable, epochs: int, steps_per_epoch: int) -> Callable:
    """step -> value of a schedule that changes with every epoch."""
    return lambda step: schedule(step // steps_per_epoch / epochs)


def make_schedule(optim: OptimConfig, epochs: int, steps_per_epoch: int) -> Callable:
    """step -> learning rate, as configured."""
    rates = optim.learning_rates
    schedule = {
        "multistep": lambda: multistep(rates, optim.milestones, epochs),
        "step": lambda: step(rates),
        "linear": lambda: linear(*rates),
        "cosine": lambda: cosine(*rates),
        "polynomial": lambda: polynomial(*rates, optim.power),
    }[optim.schedule]()
    in_jumps = optim.schedule in ("multistep", "step")
    if optim.warmup_epochs:
        warm = optim.warmup_epochs / epochs
        rise = linear(optim.warmup_start, rates[0])
        schedule = composite([rise, schedule], [warm, 1 - warm], [True, not in_jumps])
    if optim.update == "epoch" or (in_jumps and not optim.warmup_epochs):
        return by_epoch(schedule, epochs, steps_per_epoch)
    return by_step(schedule, epochs * steps_per_epoch)


def sgd(
    learning_rate: Callable,
    *,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
    decay_batch_norm: bool,
    trunk_factor: float = 1.0,
) -> optax.GradientTransformation:
    """SGD: the decay joins the gradient, the momentum gathers it undamped, the learning rate comes last.

    Args:
      trunk_factor: of the learning rate, for the parameters under "trunk"; 0 leaves them as they are.
    """
    return optax.chain(
        optax.add_decayed_weights(weight_decay, mask=None if decay_batch_norm else not_batch_norm),
        optax.trace(momentum, nesterov) if momentum else optax.identity(),
        optax.scale_by_learning_rate(learning_rate),
        optax.identity() if trunk_factor == 1 else _scale_trunk(trunk_factor),
    )


def not_batch_norm(params: dict) -> dict:
    """A tree like `params`: False on batch norm's scale and bias, True on everything else."""
    if "scale" in params:
        return jax.tree.map(lambda _: False, params)
    return {name: not_batch_norm(child) if isinstance(child, dict) else True for name, child in params.items()}


def _scale_trunk(factor):
    def scale(updates, _):
        return {**updates, "trunk": jax.tree.map(lambda update: factor * update, updates["trunk"])}

    return optax.stateless(scale)
