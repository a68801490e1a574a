"""The losses that training minimises."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

ClipBatch = dict[str, Array | np.ndarray]


def cross_entropy(
    logits: Float[Array | np.ndarray, "clip class"],
    batch: ClipBatch,
    *,
    label_smoothing: float = 0.0,
    class_weights: tuple[float, ...] = (),
) -> Float[Array, "clip"]:
    """The cross-entropy of each clip with its `label`, in nats.

    Of mixed clips (mixup, arXiv:1710.09412; CutMix, arXiv:1905.04899) it is weighted between the two labels:
    `weight` * CE(`label`) + (1 - `weight`) * CE(`other`).

    With label smoothing s (arXiv:1512.00567) and class weights w, as in PyTorch, CE of label y among C classes with
    probabilities p is -(1 - s) w[y] log p[y] - s / C * (the sum of w[c] log p[c] over all c).

    Args:
      logits: of the clips.
      batch: `label` int32 [clip]; of mixed clips also `other` int32 [clip] and `weight` float32 [clip].
      label_smoothing: part of each label that is spread evenly over all classes; 0: none.
      class_weights: one for each class; empty: all are 1. The mean that PyTorch takes of the losses is their sum over
        the sum of `clip_weights`.
    """
    weights = jnp.array(class_weights, logits.dtype) if class_weights else 1.0

    def of_label(label):
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, label)
        if class_weights:
            losses = weights[label] * losses
        if label_smoothing:
            losses = (1 - label_smoothing) * losses - label_smoothing * (weights * jax.nn.log_softmax(logits)).mean(-1)
        return losses

    return _of_labels(of_label, batch)


def clip_weights(batch: ClipBatch, class_weights: tuple[float, ...]) -> Float[Array, "clip"]:
    """What each clip counts in a mean that is weighted by class: its label's weight; mixed clips lie between their two.

    Args:
      batch: as `cross_entropy` takes it.
      class_weights: one for each class.
    """
    weights = jnp.array(class_weights, jnp.float32)
    return _of_labels(lambda label: weights[label], batch)


def balanced_weights(labels: Int[np.ndarray, "video"], num_classes: int) -> tuple[float, ...]:
    """Class weights with which each class counts the same: videos / (classes * videos of the class).

    Their mean over the videos is 1 (King & Zeng, 2001; scikit-learn's "balanced"). A class without a video has 0, and
    is not among the classes that are counted.

    Args:
      labels: of the training videos.
      num_classes: of the network's head.
    """
    counts = np.bincount(labels, minlength=num_classes)
    there = np.count_nonzero(counts)
    return tuple(float(len(labels) / (there * count)) if count else 0.0 for count in counts)


def _of_labels(of_label: Callable, batch: ClipBatch) -> Float[Array, "clip"]:
    """`of_label` of the clips' labels; of mixed clips between that of both."""
    own = of_label(batch["label"])
    if "other" not in batch:
        return own
    return batch["weight"] * own + (1 - batch["weight"]) * of_label(batch["other"])


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
