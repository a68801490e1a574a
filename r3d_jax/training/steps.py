"""One step of training and one of testing: pure, arrays in, arrays out, to be mapped over devices."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array

from r3d_jax.models.classifier import (
    Classifier,
    abstract_variables,
    average_views,
    init_variables,
    normalise,
    predict_views,
)
from r3d_jax.models.compiling import compiler_options
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
    return _first(init_variables(model, jax.random.key(seed), clip_shape), tx)


def abstract_state(model: Classifier, tx: optax.GradientTransformation, devices: list[jax.Device]) -> TrainState:
    """The shapes of a state's arrays, and where `replicate` puts them: what a checkpoint is restored to."""
    shapes = jax.eval_shape(partial(_first, tx=tx), abstract_variables(model))
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=_sharding(devices)), shapes)


def _first(variables, tx):
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
    micro_batches: int = 1,
    remat: tuple[int, ...] = (),
    dtype: str = "float32",
) -> tuple[TrainState, dict[str, Array]]:
    """One SGD step on `clip` [clip, time, height, width, channel] uint8 and `label` [clip], mapped over AXIS.

    Where clips are mixed, there is also the `other` label of each, and the `share` of the first. `stop` [1] asks for
    the run to end.

    Args:
      micro_batches: parts of the device's batch that are computed one after the other, their gradients averaged. Batch
        norm takes the statistics of each by itself and updates the running ones by each; dropout is drawn for each.
      remat: stages whose blocks are computed again in the backward pass instead of being kept.
      dtype: of the activations; parameters, batch statistics, logits and loss are float32.

    Returns:
      The state; `loss` and `accuracy`, means over all devices' clips, and `stop`, how many devices ask for it. Dropout
      is drawn from (seed, step, device, micro-batch).
    """
    stop = lax.psum(batch["stop"][0], AXIS)
    clips = {name: values for name, values in batch.items() if name != "stop"}
    dropout = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), state.step), lax.axis_index(AXIS))

    def loss_fn(params, batch_stats, clips, key):
        logits, updated = model.apply(
            {"params": params, "batch_stats": batch_stats},
            normalise(clips["clip"], model=model).astype(dtype),
            train=True,
            freeze_trunk=freeze_trunk,
            remat=remat,
            axis_name=AXIS if sync_batch_norm else None,
            mutable=["batch_stats"],
            rngs={"dropout": key},
        )
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, clips["label"])
        if "other" in clips:
            others = optax.softmax_cross_entropy_with_integer_labels(logits, clips["other"])
            losses = clips["share"] * losses + (1 - clips["share"]) * others
        metrics = {"loss": losses.mean(), "accuracy": hits(logits, clips["label"], 1).mean()}
        return metrics["loss"], (updated["batch_stats"], metrics)

    def part(carry, clips_and_key):
        batch_stats, sums = carry
        gradients, (batch_stats, metrics) = jax.grad(loss_fn, has_aux=True)(state.params, batch_stats, *clips_and_key)
        return (batch_stats, jax.tree.map(jnp.add, sums, (gradients, metrics))), None

    parts = jax.tree.map(lambda x: x.reshape(micro_batches, -1, *x.shape[1:]), clips)
    zeros = jax.tree.map(jnp.zeros_like, state.params), {"loss": jnp.zeros(()), "accuracy": jnp.zeros(())}
    keys = jax.random.split(dropout, micro_batches)
    (batch_stats, sums), _ = lax.scan(part, (state.batch_stats, zeros), (parts, keys))
    gradients, metrics = jax.tree.map(lambda total: total / micro_batches, sums)
    gradients, batch_stats, metrics = lax.pmean((gradients, batch_stats, metrics), AXIS)
    updates, opt_state = tx.update(gradients, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    return TrainState(state.step + 1, params, batch_stats, opt_state), metrics | {"stop": stop}


def eval_step(
    variables: dict, batch: dict[str, Array], *, model: Classifier, views_at_once: int = 0, dtype: str = "float32"
) -> dict[str, Array]:
    """Counts (see `metrics.count`) over all devices' videos: `clips`, `label`, `valid`; mapped over AXIS.

    `stop` [1] asks for the run to end; its count is how many devices do. The other arguments are `predict_fn`'s.
    """
    view_logits = predict_views(variables, batch["clips"], model=model, views_at_once=views_at_once, dtype=dtype)
    video_logits = average_views(view_logits, model=model)
    counts = count(view_logits, video_logits, batch["label"], batch["valid"])
    return lax.psum(counts | {"stop": batch["stop"][0]}, AXIS)


def pmap(step, replicated, batch, *, devices: list[jax.Device], donate: bool = False, **static):
    """`step` compiled for `devices`: the first argument whole on each, the batch split along its first axis.

    Batches go in as `split_over` gives them, the replicated argument as `replicate` does. With `donate`, the latter's
    memory is used for what comes out, so that it can go in only once.
    """
    mapped = jax.pmap(
        partial(step, **static),
        axis_name=AXIS,
        in_axes=(None, 0),
        out_axes=None,
        devices=devices,
        donate_argnums=(0,) if donate else (),
    )
    return mapped.lower(replicated, batch).compile(compiler_options=compiler_options(devices[0].platform))


def replicate(tree: Any, devices: list[jax.Device]) -> Any:
    """`tree`, the same in every process, whole on each device; placed otherwise, a step would compile once more."""
    return jax.device_put(tree, _sharding(devices))


def split_over(batch: dict[str, Any], devices: list[jax.Device], stop: bool = False) -> dict[str, jax.Array]:
    """This process's [batch, ...] arrays on its devices, as its rows of global [device, batch / devices, ...] arrays.

    With `stop`, this process asks for the run to end. Copying to the devices goes on after this returns.
    """
    local = sum(device.process_index == jax.process_index() for device in devices)
    arrays = {name: x.reshape(local, -1, *x.shape[1:]) for name, x in batch.items()}
    arrays["stop"] = np.full((local, 1), stop, np.int32)
    sharding = _sharding(devices, AXIS)
    return {name: jax.make_array_from_process_local_data(sharding, x) for name, x in arrays.items()}


def _sharding(devices, *axes):
    return jax.sharding.NamedSharding(jax.sharding.Mesh(devices, (AXIS,)), jax.sharding.PartitionSpec(*axes))
