"""Precise batch norm: statistics of many training batches for the weights as they are, in place of running ones.

Running statistics trail behind weights that change in every step (Wu & Johnson, arXiv:2105.07576, section 3). As in
PySlowFast, they are recomputed before a test; here, training itself goes on with the running ones.
"""

from collections.abc import Iterable
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jax import lax
from jaxtyping import Array

from r3d_jax.data.batches import read_ahead
from r3d_jax.models.classifier import Classifier
from r3d_jax.models.norm import BatchNorm
from r3d_jax.models.predict import normalise
from r3d_jax.training import from_config
from r3d_jax.training.devices import pmap, replicate, split_over
from r3d_jax.training.logs import Progress
from r3d_jax.training.state import TrainState
from r3d_jax.training.task import Task


def batch_statistics(
    variables: dict,
    batch: dict[str, Array],
    *,
    model: Classifier,
    axis_name: str | None = None,
    sync_batch_norm: bool = True,
    freeze_trunk: bool = False,
    freeze_until: str = "",
    freeze_batch_norm: bool = False,
    dtype: str = "float32",
) -> dict:
    """The mean and the unbiased variance that each batch norm finds in a batch of clips: pure, as `train_step` is.

    Frozen norms, and those of frozen blocks, which keep their statistics in training, give these.

    Args:
      variables: `params` and `batch_stats` of `model`.
      batch: `clip` uint8 [clip, time, height, width, channel].
      axis_name, sync_batch_norm, freeze_trunk, freeze_until, freeze_batch_norm, dtype: as `train_step` takes them;
        where statistics are each device's own, the mean over the devices.

    Returns:
      A tree like `batch_stats`.
    """
    _, updated = model.apply(
        variables,
        normalise(batch["clip"], model=model).astype(dtype),
        train=True,
        freeze_until=model.trunk.block_names()[-1] if freeze_trunk else freeze_until,
        freeze_batch_norm=freeze_batch_norm,
        axis_name=axis_name if sync_batch_norm else None,
        mutable=["batch_stats"],
        rngs={"dropout": jax.random.key(0)},  # of heads, above all norms
    )
    # What is kept of the running statistics is taken back.
    step = 1 / (1 - BatchNorm.momentum)
    found = jax.tree.map(lambda r, new: r + step * (new - r), variables["batch_stats"], updated["batch_stats"])
    return lax.pmean(found, axis_name) if axis_name else found


def precise_statistics(
    model: Classifier,
    variables: dict,
    batches: Iterable[dict[str, np.ndarray]],
    *,
    devices: list[jax.Device],
    **options: Any,
) -> dict:
    """Batch statistics over all of `batches`, as fvcore's `update_bn_stats` estimates them of a population.

    The mean is that of the batches' means; the variance is the mean of their variances and the variance of their means.

    Args:
      variables: `params` and `batch_stats`, on the devices, as `replicate` places them.
      batches: of `train_batches`, each over all processes.
      options: further arguments of `batch_statistics`.

    Returns:
      A tree like `batch_stats`, on the devices.
    """
    compiled, found = None, []
    for batch in batches:
        batch = split_over({"clip": batch["clip"]}, devices)
        if compiled is None:
            compiled = pmap(batch_statistics, variables, batch, devices=devices, model=model, **options)
        statistics, _ = compiled(variables, batch)
        found.append(flatten_dict(jax.device_get(statistics)))
    return replicate(unflatten_dict({path: _over_batches(path, found) for path in found[0]}), devices)


def with_precise_statistics(task: Task, state: TrainState) -> TrainState:
    """The state as a run tests it and as its network is used: with precise statistics, where they are asked for.

    They are those of the training batches that follow, their clips not mixed: a function of the state, whenever it is
    asked.
    """
    count, step = task.config.train.precise_bn_batches, int(state.step)
    if not count:
        return state
    unmixed = from_config.make_train_batches(task.config, task.videos, mixed=False)
    batches = read_ahead(unmixed, start=step, stop=step + count, workers=task.config.data.workers)
    head = step <= task.head_steps  # whose trunk has been frozen in all steps so far
    options = from_config.precise_options(from_config.head_alone(task.config) if head else task.config)
    with Progress(count, unit="batch", label="Precise batch norm") as progress:
        read = (progress.advance() or batch for batch in batches)
        precise = precise_statistics(task.model, state.variables, read, devices=task.devices, **options)
    return state._replace(precise=precise)


def _over_batches(path, found):
    """Of one array of the statistics, in float64, so that what is the same in all batches stays as it is."""
    values = np.stack([np.float64(each[path]) for each in found])
    mean = values.mean(0)
    if path[-1] == "var":
        mean += np.stack([np.float64(each[(*path[:-1], "mean")]) for each in found]).var(0)
    return mean.astype(found[0][path].dtype)
