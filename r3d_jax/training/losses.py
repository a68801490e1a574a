"""The losses that training minimises."""

import numpy as np
import optax
from jaxtyping import Array, Float


def cross_entropy(
    logits: Float[Array | np.ndarray, "clip class"], batch: dict[str, Array | np.ndarray]
) -> Float[Array, "clip"]:
    """The cross-entropy of each clip with its `label`, in nats.

    Of mixed clips (mixup, arXiv:1710.09412; CutMix, arXiv:1905.04899) it is weighted between the two labels:
    `weight` * CE(`label`) + (1 - `weight`) * CE(`other`).

    Args:
      logits: of the clips.
      batch: `label` int32 [clip]; of mixed clips also `other` int32 [clip] and `weight` float32 [clip].
    """
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch["label"])
    if "other" not in batch:
        return losses
    others = optax.softmax_cross_entropy_with_integer_labels(logits, batch["other"])
    return batch["weight"] * losses + (1 - batch["weight"]) * others
