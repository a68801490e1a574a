"""Training that has diverged: found before it is tested or takes the place of a checkpoint."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from r3d_jax.errors import InputError
from r3d_jax.training.state import TrainState
from r3d_jax.weights.integrity import all_finite

REMEDY = (
    "training has diverged, and the checkpoints before that are kept; begin again in another `workdir` with a lower "
    "`optim.learning_rates`, or from the best of this run (`finetune.source` and `finetune.checkpoint`)"
)


def check_loss(loss: float, where: str, videos: Sequence[str] = ()) -> None:
    """Refuses a loss that is not finite.

    Args:
      where: whose it is, as in "step 3".
      videos: names of those whose clips it is of.

    Raises:
      InputError: the loss is infinite or no number.
    """
    if not math.isfinite(loss):
        listing = "".join(f"\n  {name}" for name in dict.fromkeys(videos))
        its = f"\nits clips are of these videos, of which one may be at fault:{listing}" if videos else ""
        raise InputError(f"the loss of {where} is {loss}: {REMEDY}{its}")


def check_state(state: TrainState) -> None:
    """Refuses a state that no step and no test can go on from.

    Args:
      state: arrays on the host.

    Raises:
      InputError: a value of the parameters, the batch statistics or the optimiser is infinite or no number.
    """
    for path, x in jax.tree_util.tree_leaves_with_path(state):
        if not jnp.issubdtype(x.dtype, jnp.floating):
            continue
        if not all_finite(x.astype(np.promote_types(x.dtype, np.float32), copy=False)):
            name = jax.tree_util.keystr(path, simple=True, separator="/")
            raise InputError(f"after step {int(state.step)}, {name} is not finite: {REMEDY}")
