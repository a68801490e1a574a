"""The optimisers: SGD and AdamW with PyTorch's semantics as optax chains, and the multistep learning rate."""

import re
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from r3d_jax.errors import InputError
from r3d_jax.models.classifier import last_of


def multistep(values: Sequence[float], *, milestones: Sequence[int], steps_per_epoch: int) -> Callable:
    """A learning rate that changes at milestones: step -> `values[i]`, where i milestones have begun.

    For example, `multistep((0.1, 0.01), milestones=(2,), steps_per_epoch=100)` is 0.1 for steps 0 to 199, then 0.01.

    Args:
      values: learning rates, one more than milestones.
      milestones: epochs at which the next value begins, rising, from 1.
      steps_per_epoch: steps of an epoch, as `len(train_batches(...))` gives them.

    Raises:
      InputError: another number of values, or milestones that do not rise.
    """
    if len(values) != len(milestones) + 1 or list(milestones) != sorted(set(milestones)):
        raise InputError(f"`values` (={values}) must have one value more than `milestones` (={milestones}), which rise")

    def schedule(step: Int[Array, ""] | int) -> Float[Array, ""]:
        begun = (jnp.array(milestones, jnp.int32) * steps_per_epoch <= step).sum()
        return jnp.array(values, jnp.float32)[begun]

    return schedule


def sgd(
    learning_rate: Callable | float,
    *,
    momentum: float = 0.9,
    nesterov: bool = False,
    weight_decay: float = 1e-4,
    decay_batch_norm: bool = False,
    trunk_factor: float = 1.0,
    block_factors: Mapping[str, float] | None = None,
) -> optax.GradientTransformation:
    """SGD as PyTorch has it: g += weight_decay * w; v = momentum * v + g; w -= learning_rate * v.

    With Nesterov's momentum the last line is w -= learning_rate * (g + momentum * v).

    Args:
      learning_rate: a number, or step -> number, such as `multistep` or any schedule of optax.
      momentum: 0: none.
      weight_decay: of all parameters but batch norm's scale and bias, unless `decay_batch_norm`.
      trunk_factor: of the learning rate, for the parameters under "trunk"; 0 leaves them as they are.
      block_factors: {block: a further factor for its parameters}, for every block of the trunk that has any, as
        `factors_of_blocks` gives them; None: none.

    Raises:
      InputError: on the first update: a parameter of the trunk that belongs to no block of `block_factors`.
    """
    return optax.chain(
        optax.add_decayed_weights(weight_decay, mask=None if decay_batch_norm else not_batch_norm),
        optax.trace(momentum, nesterov) if momentum else optax.identity(),
        optax.scale_by_learning_rate(_schedule(learning_rate)),
        _scale_trunk(trunk_factor, block_factors),
    )


def adamw(
    learning_rate: Callable | float,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    epsilon: float = 1e-8,
    weight_decay: float = 0.01,
    decay_batch_norm: bool = False,
    trunk_factor: float = 1.0,
    block_factors: Mapping[str, float] | None = None,
) -> optax.GradientTransformation:
    """AdamW as PyTorch has it: Adam whose weight decay is not part of the gradient (arXiv:1711.05101).

    m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; w -= learning_rate * (m' / (sqrt(v') + epsilon) + weight_decay * w),
    where m' and v' are m / (1 - b1^t) and v / (1 - b2^t) at step t, from 1.

    Args:
      learning_rate: a number, or step -> number, such as `multistep` or any schedule of optax.
      betas: b1 and b2, what the two averages keep from step to step.
      epsilon: added to the square root.
      weight_decay: of all parameters but batch norm's scale and bias, unless `decay_batch_norm`; as the update is, it
        is multiplied by the learning rate and the factors.
      trunk_factor, block_factors: of the learning rate, as `sgd` takes them.

    Raises:
      InputError: on the first update: a parameter of the trunk that belongs to no block of `block_factors`.
    """
    mask = None if decay_batch_norm else not_batch_norm
    return optax.chain(
        optax.adamw(_schedule(learning_rate), *betas, eps=epsilon, weight_decay=weight_decay, mask=mask),
        _scale_trunk(trunk_factor, block_factors),
    )


def factors_of_blocks(
    blocks: Sequence[str], *, layer_decay: float = 1.0, freeze_until: str = ""
) -> dict[str, float] | None:
    """What an optimiser multiplies the learning rate of each block by: less the further it is from the head.

    The factor is layer_decay ** depth: depth 1 is the last block, 2 the one before it, and so on to the stem; heads are
    at depth 0 (BEiT's fine-tuning, arXiv:2106.08254). Blocks whose names differ in their pathway alone run side by side
    and are of one depth. Frozen blocks have 0.

    Args:
      blocks: the names of all, in the order in which they run.
      freeze_until: stage or block, as `train_step` takes it; empty: none.

    Returns:
      {block: factor}, or None where all would be 1.

    Raises:
      InputError: no stage and no block is called `freeze_until`.
    """
    if layer_decay == 1 and not freeze_until:
        return None
    frozen = blocks.index(last_of(blocks, freeze_until)) + 1 if freeze_until else 0
    levels = [re.sub(r"path(way)?\d", "path", block) for block in blocks]
    rising = list(dict.fromkeys(levels))
    depths = [len(rising) - rising.index(level) for level in levels]
    return {block: 0.0 if i < frozen else layer_decay**depth for i, (block, depth) in enumerate(zip(blocks, depths))}


def not_batch_norm(params: dict) -> dict:
    """A tree like `params`: False on batch norm's scale and bias, True on everything else."""
    if "scale" in params:
        return jax.tree.map(lambda _: False, params)
    return {name: not_batch_norm(child) if isinstance(child, dict) else True for name, child in params.items()}


def _schedule(learning_rate):
    """A number is a schedule too, so that the state of one can go on with the other."""
    return learning_rate if callable(learning_rate) else lambda _: learning_rate


def _scale_trunk(factor, block_factors):
    if factor == 1 and not block_factors:
        return optax.identity()

    def scaled(path, update):
        own = block_factors[_block_of(path, block_factors)] if block_factors else 1.0
        return factor * own * update

    def scale(updates, _):
        return {**updates, "trunk": jax.tree_util.tree_map_with_path(scaled, updates["trunk"])}

    return optax.stateless(scale)


def _block_of(path, blocks):
    """The block whose name is in a parameter's path: the longest, since `...-block1` is in `...-block10` too."""
    name = "/".join(key.key for key in path)
    if found := [block for block in blocks if block in name]:
        return max(found, key=len)
    raise InputError(f"the trunk's parameter {name} belongs to none of the blocks {', '.join(blocks)}")
