"""What training changes from step to step, as arrays, and what it begins with."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from r3d_jax.compiling import options_for_once
from r3d_jax.models.classifier import Classifier, abstract_variables, init_variables
from r3d_jax.video.clips import ClipSpec


class TrainState(NamedTuple):
    """Everything that training changes: arrays, the same on every device.

    Attributes:
      averaged: the exponential moving average of `params` and `batch_stats`, where one is kept.
      precise: batch statistics recomputed for a test (see `precise_batch_norm`), which no step takes up.
    """

    step: Array
    params: dict
    batch_stats: dict
    opt_state: Any
    averaged: dict | None = None
    precise: dict | None = None

    @property
    def variables(self) -> dict:
        """`params` and `batch_stats` that the model's `apply`, `predict_fn` and `evaluate` take, and `load` gives.

        They are the averaged ones where an average is kept, and with the precise statistics where there are any.
        """
        variables = self.averaged or {"params": self.params, "batch_stats": self.batch_stats}
        return variables if self.precise is None else variables | {"batch_stats": self.precise}

    def averaging(self) -> "TrainState":
        """The state with an average that begins with its own `params` and `batch_stats`, as copies."""
        copied = jax.jit(partial(jax.tree.map, jnp.copy))  # one program, not one for each shape
        return self._replace(averaged=copied({"params": self.params, "batch_stats": self.batch_stats}))


def init_state(
    model: Classifier, tx: optax.GradientTransformation, *, seed: int = 0, clip: ClipSpec, ema: bool = False
) -> TrainState:
    """The state at step 0: fresh variables drawn by `seed`, and the optimiser's beginning.

    Args:
      model: the network.
      tx: any optimiser of optax.
      clip: what the network is to be trained on.
      ema: whether an average of the weights is kept, as `train_step` with `ema_decay` needs it.

    Raises:
      InputError: clips that the network's pool cannot take.
    """
    clip_shape = (*clip.shape[:3], model.trunk.input_planes)
    key = jax.random.key(seed)

    def first(key):
        return first_state(init_variables(model, key, clip_shape), tx, ema=ema)

    return jax.jit(first, compiler_options=options_for_once(key))(key)


def first_state(variables: dict, tx: optax.GradientTransformation, *, ema: bool = False) -> TrainState:
    """The state at step 0 of training that begins with `variables`, such as those of a trained network.

    Args:
      ema: whether an average of the weights is kept, as `train_step` with `ema_decay` needs it.
    """
    params = variables["params"]
    # Jitted, since an optimiser's beginning is one program for each shape of its arrays otherwise.
    state = TrainState(jnp.zeros((), jnp.int32), params, variables["batch_stats"], jax.jit(tx.init)(params))
    return state.averaging() if ema else state


def abstract_state(model: Classifier, tx: optax.GradientTransformation, *, ema: bool = False) -> TrainState:
    """The shapes and types of a state's arrays, without computing any."""
    return jax.eval_shape(partial(first_state, tx=tx, ema=ema), abstract_variables(model))


def apply_gradients(
    state: TrainState, gradients: dict, batch_stats: dict, *, tx: optax.GradientTransformation, ema_decay: float = 0.0
) -> TrainState:
    """The state after a step of the optimiser, with its average if one is kept.

    Args:
      gradients: of the mean loss, for `state.params`.
      batch_stats: the running statistics after the step.
      ema_decay: as `train_step` takes it.
    """
    updates, opt_state = tx.update(gradients, state.opt_state, state.params)
    params, averaged = optax.apply_updates(state.params, updates), None
    if state.averaged is not None:
        first, now = state.step == 0, {"params": params, "batch_stats": batch_stats}
        # Written so that what stays the same is averaged to itself.
        averaged = jax.tree.map(
            lambda old, new: jnp.where(first, new, old + (1 - ema_decay) * (new - old)), state.averaged, now
        )
    return TrainState(state.step + 1, params, batch_stats, opt_state, averaged)
