"""Learning-rate schedules and the optax chain, with PyTorch's SGD semantics."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import optax


def multistep(learning_rates: Sequence[float], milestones: Sequence[int], steps_per_epoch: int) -> Callable:
    """step -> learning rate: the value whose index is the number of milestones (epochs) that have begun."""

    def schedule(step):
        begun = (jnp.array(milestones, jnp.int32) <= step // steps_per_epoch).sum()
        return jnp.array(learning_rates, jnp.float32)[begun]

    return schedule


def sgd(
    learning_rate: Callable, *, momentum: float, nesterov: bool, weight_decay: float, decay_batch_norm: bool
) -> optax.GradientTransformation:
    """SGD: the decay joins the gradient, the momentum gathers it undamped, the learning rate comes last."""
    return optax.chain(
        optax.add_decayed_weights(weight_decay, mask=None if decay_batch_norm else not_batch_norm),
        optax.trace(momentum, nesterov) if momentum else optax.identity(),
        optax.scale_by_learning_rate(learning_rate),
    )


def not_batch_norm(params: dict) -> dict:
    """A tree like `params`: False on batch norm's scale and bias, True on everything else."""
    if "scale" in params:
        return jax.tree.map(lambda _: False, params)
    return {name: not_batch_norm(child) if isinstance(child, dict) else True for name, child in params.items()}
