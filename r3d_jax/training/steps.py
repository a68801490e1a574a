"""One step of training and one of testing: pure, arrays in, arrays out, on one device or mapped over many."""

from functools import partial

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array

from r3d_jax.models.classifier import Classifier
from r3d_jax.models.predict import average_views, normalise, predict_views
from r3d_jax.training.losses import clip_weights, cross_entropy
from r3d_jax.training.metrics import TOP, count, hits
from r3d_jax.training.state import TrainState


def train_step(
    state: TrainState,
    batch: dict[str, Array],
    *,
    model: Classifier,
    tx: optax.GradientTransformation,
    axis_name: str | None = None,
    seed: int = 0,
    sync_batch_norm: bool = True,
    freeze_trunk: bool = False,
    freeze_until: str = "",
    gradient_accumulation: int = 1,
    remat: tuple[int, ...] = (),
    dtype: str = "float32",
    label_smoothing: float = 0.0,
    class_weights: tuple[float, ...] = (),
    ema_decay: float = 0.0,
) -> tuple[TrainState, dict[str, Array]]:
    """One step of the optimiser on the mean loss of a batch: pure, for `jax.jit`, `jax.pmap` and `jax.shard_map`.

    Under `jax.pmap` or `jax.shard_map`, `axis_name` names the mapped axis: each device has its part of the batch, and
    gradients, statistics and metrics are averaged over it. For example:

        step = jax.jit(partial(train_step, model=model, tx=tx))
        step = jax.pmap(partial(train_step, model=model, tx=tx, axis_name="batch"), axis_name="batch",
                        in_axes=(None, 0), out_axes=(None, None))

    Args:
      batch: `clip` uint8 [clip, time, height, width, channel] and `label` int32 [clip]; of mixed clips also `other` and
        `weight`, as `losses.cross_entropy` says. Whatever else is in it is left alone.
      tx: any optimiser of optax.
      seed: of dropout, which is drawn from (seed, step, device, part).
      sync_batch_norm: batch statistics over all devices' clips, not each device's own.
      freeze_trunk: the trunk keeps its batch statistics and gets no gradient.
      freeze_until: the same for a part of it: everything up to this stage or block, such as "stem" or "stage2". What
        else changes a parameter, such as weight decay, is the optimiser's: `sgd` takes `block_factors` for that.
      gradient_accumulation: parts of the device's batch that are computed one after the other, their gradients
        averaged. Batch norm takes the statistics of each by itself and updates the running ones by each.
      remat: stages, from 1, whose blocks are computed again in the backward pass instead of being kept.
      dtype: of the activations; parameters, batch statistics, logits and loss are float32.
      label_smoothing, class_weights: as `losses.cross_entropy` takes them. The mean over all devices and parts
        is weighted by class: the sum of the losses over that of the clips' weights.
      ema_decay: d, of an average of the weights and of batch norm's running statistics: after each step, a = d a +
        (1 - d) x. It begins as what the first step leaves. It is kept in the state, for states made with `ema`.

    Returns:
      The state after the step, and `loss` and `accuracy`, means over all devices' clips, before it.
    """
    clips = {name: batch[name] for name in ("clip", "label", "other", "weight") if name in batch}
    network = {"model": model, "remat": remat, "dtype": dtype, "axis_name": axis_name if sync_batch_norm else None}
    network["freeze_until"] = model.trunk.block_names()[-1] if freeze_trunk else freeze_until
    network |= {"label_smoothing": label_smoothing, "class_weights": class_weights}
    network["mean_weight"] = _mean_weight(clips, class_weights, axis_name)
    keys = _dropout_keys(seed, state.step, axis_name, gradient_accumulation)
    sums, batch_stats = _gradients(state, clips, keys, **network)
    gradients, metrics = jax.tree.map(lambda total: total / gradient_accumulation, sums)
    if axis_name:
        gradients, batch_stats, metrics = lax.pmean((gradients, batch_stats, metrics), axis_name)
    return _updated(state, gradients, batch_stats, tx, ema_decay), metrics


def _dropout_keys(seed, step, axis_name, count):
    """One key for each part of this device's clips."""
    device = lax.axis_index(axis_name) if axis_name else 0
    return jax.random.split(jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), step), device), count)


def _updated(state, gradients, batch_stats, tx, ema_decay):
    """The state after a step, with its average if one is kept."""
    updates, opt_state = tx.update(gradients, state.opt_state, state.params)
    params, averaged = optax.apply_updates(state.params, updates), None
    if state.averaged is not None:
        first, now = state.step == 0, {"params": params, "batch_stats": batch_stats}
        # Written so that what stays the same is averaged to itself.
        averaged = jax.tree.map(
            lambda old, new: jnp.where(first, new, old + (1 - ema_decay) * (new - old)), state.averaged, now
        )
    return TrainState(state.step + 1, params, batch_stats, opt_state, averaged)


def _mean_weight(clips, class_weights, axis_name):
    """What a clip counts on average over all devices: by that, plain means become weighted ones."""
    if not class_weights:
        return 1.0
    mean = clip_weights(clips, class_weights).mean()
    return lax.pmean(mean, axis_name) if axis_name else mean


def _gradients(state, clips, keys, **network):
    """((gradients, metrics), batch statistics) of as many parts of the clips as there are keys, summed over them."""

    def part(carry, clips_and_key):
        batch_stats, sums = carry
        gradients, (batch_stats, metrics) = jax.grad(loss_fn, has_aux=True)(params, batch_stats, *clips_and_key)
        return _varying_as(clips["clip"], (batch_stats, jax.tree.map(jnp.add, sums, (gradients, metrics)))), None

    loss_fn = partial(_loss, **network)
    # Each device's own until they are averaged: gradients are not to be summed before.
    params, first_stats = _varying_as(clips["clip"], (state.params, state.batch_stats))
    parts = jax.tree.map(lambda x: x.reshape(len(keys), -1, *x.shape[1:]), clips)
    zeros = jax.tree.map(jnp.zeros_like, params), {"loss": jnp.zeros(()), "accuracy": jnp.zeros(())}
    (batch_stats, sums), _ = lax.scan(part, _varying_as(clips["clip"], (first_stats, zeros)), (parts, keys))
    return sums, batch_stats


def _loss(
    params,
    batch_stats,
    clips,
    key,
    *,
    model,
    freeze_until,
    remat,
    dtype,
    axis_name,
    mean_weight,
    label_smoothing,
    class_weights,
):
    """The mean loss of the clips; beside it the new batch statistics and the metrics."""
    logits, updated = model.apply(
        {"params": params, "batch_stats": batch_stats},
        normalise(clips["clip"], model=model).astype(dtype),
        train=True,
        freeze_until=freeze_until,
        remat=remat,
        axis_name=axis_name,
        mutable=["batch_stats"],
        rngs={"dropout": key},
    )
    losses = cross_entropy(logits, clips, label_smoothing=label_smoothing, class_weights=class_weights)
    metrics = {"loss": losses.mean() / mean_weight, "accuracy": hits(logits, clips["label"], 1).mean()}
    return metrics["loss"], (updated["batch_stats"], metrics)


def eval_step(
    variables: dict,
    batch: dict[str, Array],
    *,
    model: Classifier,
    axis_name: str | None = None,
    topk: tuple[int, ...] = TOP,
    views_at_once: int = 0,
    dtype: str = "float32",
) -> dict[str, Array]:
    """Counts of hits at clip level and at video level (see `metrics.count`), summed over the mapped axis if any.

    Args:
      batch: `clips` uint8 [video, view, time, height, width, channel], `label` int32 [video], and `valid` bool [video]:
        videos that are not are not counted.
      axis_name: of the mapped axis over which the videos are spread; None: there is one device.
      topk: a video is a hit if its label is among so many of the largest logits.
      views_at_once, dtype: as in `predict_fn`.
    """
    view_logits = predict_views(variables, batch["clips"], model=model, views_at_once=views_at_once, dtype=dtype)
    video_logits = average_views(view_logits, model=model)
    counts = count(view_logits, video_logits, batch["label"], batch["valid"], topk)
    return lax.psum(counts, axis_name) if axis_name else counts


def _varying_as(like, tree):
    """Marks arrays as each device's own where `like` is, which `jax.shard_map` tells apart and others do not."""
    axes = jax.typeof(like).manual_axis_type.varying

    def mark(x):
        missing = axes - jax.typeof(x).manual_axis_type.varying
        return lax.pcast(x, tuple(missing), to="varying") if missing else x

    return jax.tree.map(mark, tree)
