"""One step of training and one of testing: pure, arrays in, arrays out, to be mapped over devices."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array

from r3d_jax.models.classifier import Classifier, average_views, init_variables, normalise, predict_views
from r3d_jax.training.metrics import count, hits

AXIS = "batch"


class TrainState(NamedTuple):
    """Everything that training changes: arrays, the same on every device."""

    step: Array
    params: dict
    batch_stats: dict
    opt_state: Any

    @property
    def variables(self) -> dict:
        """What the model's `apply` and `predict_fn` take."""
        return {"params": self.params, "batch_stats": self.batch_stats}


def init_state(
    model: Classifier, tx: optax.GradientTransformation, seed: int, clip_shape: tuple[int, ...]
) -> TrainState:
    """Step 0, for training clips of `clip_shape` (time, height, width, channel)."""
    variables = init_variables(model, jax.random.key(seed), clip_shape)
    params = variables["params"]
    return TrainState(jnp.zeros((), jnp.int32), params, variables["batch_stats"], tx.init(params))


def train_step(
    state: TrainState,
    batch: dict[str, Array],
    *,
    model: Classifier,
    tx: optax.GradientTransformation,
    seed: int,
    sync_batch_norm: bool = True,
    freeze_trunk: bool = False,
) -> tuple[TrainState, dict[str, Array]]:
    """One SGD step on `clip` [clip, time, height, width, channel] uint8 and `label` [clip], mapped over AXIS.

    Where clips are mixed, there is also the `other` label of each, and the `share` of the first.
    Returns the state and `loss` (mean) and `accuracy` over all devices' clips. Dropout is drawn from
    (seed, step, device).
    """
    dropout = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), state.step), lax.axis_index(AXIS))

    def loss_fn(params):
        logits, updated = model.apply(
            {"params": params, "batch_stats": state.batch_stats},
            normalise(batch["clip"], model=model),
            train=True,
            freeze_trunk=freeze_trunk,
            axis_name=AXIS if sync_batch_norm else None,
            mutable=["batch_stats"],
            rngs={"dropout": dropout},
        )
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch["label"])
        if "other" in batch:
            others = optax.softmax_cross_entropy_with_integer_labels(logits, batch["other"])
            losses = batch["share"] * losses + (1 - batch["share"]) * others
        return losses.mean(), (updated["batch_stats"], hits(logits, batch["label"], 1).mean())

    (loss, (batch_stats, accuracy)), gradients = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
    gradients, batch_stats, loss, accuracy = lax.pmean((gradients, batch_stats, loss, accuracy), AXIS)
    updates, opt_state = tx.update(gradients, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    return TrainState(state.step + 1, params, batch_stats, opt_state), {"loss": loss, "accuracy": accuracy}


def eval_step(variables: dict, batch: dict[str, Array], *, model: Classifier) -> dict[str, Array]:
    """Counts (see `metrics.count`) over all devices' videos: `clips`, `label`, `valid`; mapped over AXIS."""
    view_logits = predict_views(variables, batch["clips"], model=model)
    video_logits = average_views(view_logits, model=model)
    return lax.psum(count(view_logits, video_logits, batch["label"], batch["valid"]), AXIS)


def pmap(step, replicated, batch, *, devices: list[jax.Device], **static):
    """`step` compiled for `devices`: the first argument whole on each, the batch split along its first axis.

    Batches go in as `split_over` gives them, the replicated argument as `replicate` does.
    """
    mapped = jax.pmap(partial(step, **static), axis_name=AXIS, in_axes=(None, 0), out_axes=None, devices=devices)
    return mapped.lower(replicated, batch).compile(compiler_options=_compiler_options(devices))


def replicate(tree: Any, devices: list[jax.Device]) -> Any:
    """`tree` whole on each device; placed otherwise, a step would compile a second time."""
    mesh = jax.sharding.Mesh(devices, (AXIS,))
    return jax.device_put(tree, jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec()))


def split_over(batch: dict[str, Any], devices: list[jax.Device]) -> dict[str, Any]:
    """[batch, ...] arrays as [device, batch / devices, ...]."""
    return {name: x.reshape(len(devices), -1, *x.shape[1:]) for name, x in batch.items()}


def _compiler_options(devices):
    # XLA's fusion into YNN kernels halves the speed of 64-channel 2-D convolutions and their gradients.
    return {"xla_cpu_experimental_ynn_fusion_type": ""} if devices[0].platform == "cpu" else {}
