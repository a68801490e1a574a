"""One step of training and one of testing: pure, arrays in, arrays out, on one device or mapped over many."""

from functools import partial

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array

from r3d_jax.errors import InputError
from r3d_jax.models.classifier import Classifier
from r3d_jax.models.predict import average_views, normalise, predict_views
from r3d_jax.training.losses import binary_cross_entropy, clip_weights, cross_entropy
from r3d_jax.training.metrics import TOP, count, count_multi_label, hits
from r3d_jax.training.state import TrainState, apply_gradients


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
    freeze_batch_norm: bool = False,
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
      batch: `clip` uint8 [clip, time, height, width, channel] and `label` int32 [clip], or of several labels uint8
        [clip, class]; of mixed clips also `other` and `weight`, as the losses take them; whatever else is left alone.
      tx: any optimiser of optax.
      seed: of dropout, which is drawn from (seed, step, device, part).
      sync_batch_norm: batch statistics over all devices' clips, not each device's own.
      freeze_trunk, freeze_until: the trunk, or all up to a stage or block such as "stage2", keeps its batch statistics
        and gets no gradient; of weight decay there, the optimiser must know.
      freeze_batch_norm: batch norm uses and keeps the running statistics, which small batches of one's own spoil.
      gradient_accumulation: parts of the device's batch that are computed one after the other, their gradients
        averaged. Batch norm takes the statistics of each by itself and updates the running ones by each.
      remat: stages, from 1, whose blocks are computed again in the backward pass instead of being kept.
      dtype: of the activations; parameters, batch statistics, logits and loss are float32.
      label_smoothing, class_weights: as `losses.cross_entropy` takes them; weights are of a mean over all clips.
      ema_decay: d of an average a of weights and running statistics x, in states made with `ema`: a = d a + (1 - d) x.

    Returns:
      The state after the step, and `loss` and `accuracy`, means over all devices' clips, before it. A clip of several
      labels counts as right if the class of the largest logit is one of them.

    Raises:
      InputError: several labels, and a head whose activation is not a sigmoid, label smoothing or class weights.
    """
    clips = _clips_of(batch, model, one_each=bool(label_smoothing or class_weights))
    loss = {"label_smoothing": label_smoothing, "class_weights": class_weights}
    network = {"model": model, "remat": remat, "dtype": dtype, "freeze_batch_norm": freeze_batch_norm, **loss}
    network["axis_name"] = axis_name if sync_batch_norm else None
    network["freeze_until"] = model.trunk.block_names()[-1] if freeze_trunk else freeze_until
    network["mean_weight"] = _mean_weight(clips, class_weights, axis_name)
    keys = _dropout_keys(seed, state.step, axis_name, gradient_accumulation)
    gradients, batch_stats, metrics = _gradients(state, clips, keys, over=axis_name, **network)
    return apply_gradients(state, gradients, batch_stats, tx=tx, ema_decay=ema_decay), metrics


def _clips_of(batch, model, *, one_each):
    """What a step takes of a batch, once its labels suit the network."""
    check_labels(batch["label"], model, one_each=one_each)
    return {name: batch[name] for name in ("clip", "label", "other", "weight") if name in batch}


def _dropout_keys(seed, step, axis_name, count):
    """One key for each part of this device's clips."""
    device = lax.axis_index(axis_name) if axis_name else 0
    return jax.random.split(jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), step), device), count)


def _mean_weight(clips, class_weights, axis_name):
    """What a clip counts on average over all devices: by that, plain means become weighted ones."""
    if not class_weights:
        return 1.0
    mean = clip_weights(clips, class_weights).mean()
    return lax.pmean(mean, axis_name) if axis_name else mean


def _gradients(state, clips, keys, *, over, **network):
    """Gradients, batch statistics and metrics of as many parts of the clips as there are keys, averaged over them.

    Over the devices of the mapped axis `over`, too.
    """

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
    gradients, metrics = jax.tree.map(lambda total: total / len(keys), sums)
    return lax.pmean((gradients, batch_stats, metrics), over) if over else (gradients, batch_stats, metrics)


def _loss(params, batch_stats, clips, key, *, model, dtype, mean_weight, label_smoothing, class_weights, **options):
    """The mean loss of the clips; beside it the new batch statistics and the metrics."""
    logits, updated = model.apply(
        {"params": params, "batch_stats": batch_stats},
        normalise(clips["clip"], model=model).astype(dtype),
        train=True,
        **options,
        mutable=["batch_stats"],
        rngs={"dropout": key},
    )
    if clips["label"].ndim == 2:
        losses = binary_cross_entropy(logits, clips)
    else:
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
      batch: `clips` uint8 [video, view, time, height, width, channel], `label` int32 [video], or of several labels
        uint8 [video, class], and `valid` bool [video]: videos that are not are not counted.
      axis_name: of the mapped axis over which the videos are spread; None: there is one device.
      topk: a video is a hit if its label is among so many of the largest logits.
      views_at_once, dtype: as in `predict_fn`.

    Returns:
      The counts. Of several labels those of `metrics.count_multi_label`, and of all videos of the mapped axis, whether
      they count or not, `scores` (logits) and `labels` [video, class] and `valid` [video], as mean average precision
      needs them.

    Raises:
      InputError: several labels, and a head whose activation is not a sigmoid.
    """
    label, valid = batch["label"], batch["valid"]
    check_labels(label, model)
    view_logits = predict_views(variables, batch["clips"], model=model, views_at_once=views_at_once, dtype=dtype)
    video_logits = average_views(view_logits, model=model)
    if label.ndim == 1:
        counts, each = count(view_logits, video_logits, label, valid, topk), {}
    else:
        counts = count_multi_label(view_logits, video_logits, label, valid)
        each = {"scores": video_logits, "labels": label, "valid": valid}
    if axis_name:
        counts, each = lax.psum(counts, axis_name), _all_of(each, axis_name)
    return counts | each


def check_labels(labels: Array, model: Classifier, *, one_each: bool = False) -> None:
    """Refuses several labels for a network whose classes exclude each other, of whatever shape they are.

    Args:
      labels: of clips or videos.
      one_each: whether label smoothing or class weights are asked for.

    Raises:
      InputError: labels [.., class] and a head whose activation is not a sigmoid, or `one_each`.
    """
    if labels.ndim == 2 and one_each:
        raise InputError("`label_smoothing` and `class_weights` are for one label each, and these clips have several")
    activation = model.heads[0].activation
    if labels.ndim == 2 and activation != "sigmoid":
        raise InputError(
            f"the videos have several labels, and the head's `activation` (={activation!r}) is for one label each; "
            'build the network with activation="sigmoid"'
        )


def _all_of(arrays, axis_name):
    """All devices' arrays, joined along the first axis; by a sum, which every mapping knows to be the same on all."""
    size, place = lax.axis_size(axis_name), lax.axis_index(axis_name)

    def join(x):
        filled = jnp.zeros((size, *x.shape), x.dtype).at[place].set(x)
        return lax.psum(filled, axis_name).reshape(-1, *x.shape[1:]).astype(x.dtype)  # a sum of bool is int

    return jax.tree.map(join, arrays)


def _varying_as(like, tree):
    """Marks arrays as each device's own where `like` is, which `jax.shard_map` tells apart and others do not."""
    axes = jax.typeof(like).manual_axis_type.varying

    def mark(x):
        missing = axes - jax.typeof(x).manual_axis_type.varying
        return lax.pcast(x, tuple(missing), to="varying") if missing else x

    return jax.tree.map(mark, tree)
