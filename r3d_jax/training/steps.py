"""One step of training and one of testing: pure, arrays in, arrays out, on one device or mapped over many."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array

from r3d_jax.errors import InputError
from r3d_jax.models.classifier import Classifier, abstract_variables, init_variables
from r3d_jax.models.predict import average_views, normalise, predict_views
from r3d_jax.training.losses import binary_cross_entropy, cross_entropy
from r3d_jax.training.metrics import TOP, count, count_multi_label, hits
from r3d_jax.video.clips import ClipSpec


class TrainState(NamedTuple):
    """Everything that training changes: arrays, the same on every device."""

    step: Array
    params: dict
    batch_stats: dict
    opt_state: Any

    @property
    def variables(self) -> dict:
        """What the model's `apply`, `predict_fn` and `evaluate` take: `params` and `batch_stats`."""
        return {"params": self.params, "batch_stats": self.batch_stats}


def init_state(model: Classifier, tx: optax.GradientTransformation, *, seed: int = 0, clip: ClipSpec) -> TrainState:
    """The state at step 0: fresh variables drawn by `seed`, and the optimiser's beginning.

    Args:
      model: the network.
      tx: any optimiser of optax.
      clip: what the network is to be trained on.

    Raises:
      InputError: clips that the network's pool cannot take.
    """
    clip_shape = (*clip.shape[:3], model.trunk.input_planes)
    return first_state(init_variables(model, jax.random.key(seed), clip_shape), tx)


def first_state(variables: dict, tx: optax.GradientTransformation) -> TrainState:
    """The state at step 0 of training that begins with `variables`, such as those of a trained network."""
    params = variables["params"]
    return TrainState(jnp.zeros((), jnp.int32), params, variables["batch_stats"], tx.init(params))


def abstract_state(model: Classifier, tx: optax.GradientTransformation) -> TrainState:
    """The shapes and types of a state's arrays, without computing any."""
    return jax.eval_shape(partial(first_state, tx=tx), abstract_variables(model))


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
    micro_batches: int = 1,
    remat: tuple[int, ...] = (),
    dtype: str = "float32",
) -> tuple[TrainState, dict[str, Array]]:
    """One step of the optimiser on the mean loss of a batch: pure, for `jax.jit`, `jax.pmap` and `jax.shard_map`.

    Under `jax.pmap` or `jax.shard_map`, `axis_name` names the mapped axis: each device has its part of the batch, and
    gradients, statistics and metrics are averaged over it. For example:

        step = jax.jit(partial(train_step, model=model, tx=tx))
        step = jax.pmap(partial(train_step, model=model, tx=tx, axis_name="batch"), axis_name="batch",
                        in_axes=(None, 0), out_axes=(None, None))

    Args:
      batch: `clip` uint8 [clip, time, height, width, channel] and `label` int32 [clip], or of several labels uint8
        [clip, class]; of mixed clips also `other` and `weight`, as the `losses` say. What else is in it is left alone.
      tx: any optimiser of optax.
      seed: of dropout, which is drawn from (seed, step, device, micro-batch).
      sync_batch_norm: batch statistics over all devices' clips, not each device's own.
      freeze_trunk: the trunk keeps its batch statistics and gets no gradient.
      freeze_until: the same up to a stage or block, such as "stage2"; of weight decay there, the optimiser must know.
      freeze_batch_norm: batch norm uses and keeps the running statistics, which small batches of one's own spoil.
      micro_batches: parts of the device's batch that are computed one after the other, their gradients averaged. Batch
        norm takes the statistics of each by itself and updates the running ones by each.
      remat: stages, from 1, whose blocks are computed again in the backward pass instead of being kept.
      dtype: of the activations; parameters, batch statistics, logits and loss are float32.

    Returns:
      The state after the step, and `loss` and `accuracy`, means over all devices' clips, before it. A clip of several
      labels counts as right if the class of the largest logit is one of them.

    Raises:
      InputError: several labels, and a head whose activation is not a sigmoid.
    """
    check_labels(batch["label"], model)
    clips = {name: batch[name] for name in ("clip", "label", "other", "weight") if name in batch}
    device = lax.axis_index(axis_name) if axis_name else 0
    dropout = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), state.step), device)
    network = {"model": model, "remat": remat, "dtype": dtype, "freeze_batch_norm": freeze_batch_norm}
    network["axis_name"] = axis_name if sync_batch_norm else None
    network["freeze_until"] = model.trunk.block_names()[-1] if freeze_trunk else freeze_until
    sums, batch_stats = _gradients(state, clips, jax.random.split(dropout, micro_batches), **network)
    gradients, metrics = jax.tree.map(lambda total: total / micro_batches, sums)
    if axis_name:
        gradients, batch_stats, metrics = lax.pmean((gradients, batch_stats, metrics), axis_name)
    updates, opt_state = tx.update(gradients, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    return TrainState(state.step + 1, params, batch_stats, opt_state), metrics


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


def _loss(params, batch_stats, clips, key, *, model, dtype, **options):
    """The mean loss of the clips; beside it the new batch statistics and the metrics."""
    logits, updated = model.apply(
        {"params": params, "batch_stats": batch_stats},
        normalise(clips["clip"], model=model).astype(dtype),
        train=True,
        **options,
        mutable=["batch_stats"],
        rngs={"dropout": key},
    )
    loss = binary_cross_entropy if clips["label"].ndim == 2 else cross_entropy
    metrics = {"loss": loss(logits, clips).mean(), "accuracy": hits(logits, clips["label"], 1).mean()}
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


def check_labels(labels: Array, model: Classifier) -> None:
    """Refuses several labels for a network whose classes exclude each other, of whatever shape they are.

    Raises:
      InputError: labels [.., class] and a head whose activation is not a sigmoid.
    """
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
