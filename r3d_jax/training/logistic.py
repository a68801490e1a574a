"""Multinomial logistic regression with an L2 penalty, to convergence by L-BFGS on all rows at once."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

ITERATIONS, TOLERANCE = 1000, 1e-5  # of a solution: at most so many, down to a gradient without a larger entry
STALLED = 10  # iterations without a lower loss, after which float32 has no lower one


class Linear(NamedTuple):
    """A linear layer: logits are `features @ kernel + bias`."""

    kernel: Float[np.ndarray, "feature class"]
    bias: Float[np.ndarray, "class"]


def fit_path(
    features: Float[np.ndarray, "row feature"],
    labels: Int[np.ndarray, "row"],
    weights: Float[np.ndarray, "row"],
    *,
    num_classes: int,
    penalties: tuple[float, ...],
) -> list[Linear]:
    """The linear layer of least penalised loss for each of several penalties, each found from the one before it.

    Features are standardised, z = (x - mean) / std, and the loss is the weighted mean cross-entropy of softmax(z W + b)
    plus penalty / 2 * |W|^2; b is free. What comes back has mean and std folded in. A feature that is constant gets no
    weight. Solved by L-BFGS with a zoom line search (Nocedal and Wright, Numerical Optimization, 2006).

    Args:
      labels: from 0.
      weights: of the rows, not negative; a row of weight 0 counts neither in the loss nor in mean and std.
      penalties: best from large to small, so that each solution is near the one before it.
    """
    with jax.default_matmul_precision("highest"):  # the line search needs all digits of float32
        mean, scale = _moments(features, weights)
        z = (features - mean) * scale
        found, params = [], (jnp.zeros((features.shape[1], num_classes)), jnp.zeros(num_classes))
        for penalty in penalties:
            params = _solve(z, labels, weights, penalty, params)
            w, b = jax.device_get(params)
            found.append(Linear(w * scale[:, None], b - (mean * scale) @ w))
        return found


def _moments(features, weights):
    """Mean and one over the standard deviation; 0 for a feature that is constant but for rounding."""
    share = weights.astype(np.float64) / weights.sum(dtype=np.float64)
    mean = share @ features
    std = np.sqrt(share @ (features - mean) ** 2)
    varies = std > 1e-5 * np.hypot(mean, std)
    scale = np.divide(1, std, out=np.zeros_like(std), where=varies)
    return mean.astype(np.float32), scale.astype(np.float32)


@jax.jit
def _solve(
    z: Float[Array, "row feature"],
    labels: Int[Array, "row"],
    weights: Float[Array, "row"],
    penalty: Float[Array, ""] | float,
    params: tuple[Float[Array, "feature class"], Float[Array, "class"]],
):
    def loss(params):
        kernel, bias = params
        losses = optax.softmax_cross_entropy_with_integer_labels(z @ kernel + bias, labels)
        return (weights * losses).sum() / weights.sum() + penalty / 2 * (kernel**2).sum()

    solver = optax.lbfgs()
    value_and_grad = optax.value_and_grad_from_state(loss)

    def step(carry):
        params, state, i, _, best, since = carry
        value, gradient = value_and_grad(params, state=state)
        updates, state = solver.update(gradient, state, params, value=value, grad=gradient, value_fn=loss)
        largest = jnp.maximum(*(jnp.abs(x).max() for x in gradient))
        since = jnp.where(value < best, 0, since + 1)
        return optax.apply_updates(params, updates), state, i + 1, largest, jnp.minimum(best, value), since

    def unsolved(carry):
        _, _, i, largest, _, since = carry
        return (i < ITERATIONS) & (largest > TOLERANCE) & (since < STALLED)

    return jax.lax.while_loop(unsolved, step, (params, solver.init(params), 0, jnp.inf, jnp.inf, 0))[0]
