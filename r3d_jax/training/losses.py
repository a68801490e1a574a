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


def binary_cross_entropy(
    logits: Float[Array | np.ndarray, "clip class"], batch: dict[str, Array | np.ndarray]
) -> Float[Array, "clip"]:
    """The mean over the classes of the binary cross-entropy of each clip with its labels, in nats.

    It is -y log s(x) - (1 - y) log s(-x) of logit x and label y, s being the sigmoid; the mean over clips is that of
    PyTorch's `BCEWithLogitsLoss`. Of mixed clips it is that of the blended labels: y is `weight` * `label` +
    (1 - `weight`) * `other`.

    Args:
      logits: of the clips.
      batch: `label` uint8 or float [clip, class], 1 for each class of a clip; of mixed clips also `other` like it and
        `weight` float32 [clip].
    """
    label = batch["label"].astype(logits.dtype)
    if "other" in batch:
        weight = batch["weight"][:, None]
        label = weight * label + (1 - weight) * batch["other"].astype(logits.dtype)
    return optax.sigmoid_binary_cross_entropy(logits, label).mean(-1)
