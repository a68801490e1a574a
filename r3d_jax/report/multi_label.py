"""What the probabilities of a test say of videos that may be of several classes: precision, recall, thresholds."""

from typing import Any, NamedTuple

import numpy as np
import optax
from jaxtyping import Bool, Float

from r3d_jax.inference.predict import THRESHOLD
from r3d_jax.report.collect import Tested
from r3d_jax.report.statistics import Proportion, calibration, proportion_of
from r3d_jax.training.average_precision import average_precisions


class LabelResult(NamedTuple):
    """What a test says of one class that a video may have beside others.

    Attributes:
      videos: how many test videos are of the class.
      average_precision: nan where there is none.
      found, recall: how many of its videos reach THRESHOLD, and what part (nan: of none).
      predicted, precision: how many videos reach it, and what part of them is of the class (nan: of none).
      best_threshold, best_f1: the threshold of the highest F1 on these videos, and that F1; nan where there is none.
    """

    name: str
    videos: int
    average_precision: float
    found: int
    recall: Proportion
    predicted: int
    precision: float
    best_threshold: float
    best_f1: float


def losses_of(tested: Tested) -> Float[np.ndarray, "video"]:
    """The binary cross-entropy of each video, its mean over the classes."""
    return np.asarray(optax.sigmoid_binary_cross_entropy(tested.logits, tested.labels.astype(np.float32)).mean(1))


def numbers_of(tested: Tested) -> dict[str, Any]:
    """Every number of the report, by name.

    They are `map`, over `classes` that have a video; `precision`, `recall` and `f1` of all decisions at THRESHOLD
    together (micro-averaged; nan of none); `loss`; `bins` and `calibration_error` of all probabilities.
    """
    labels, taken = tested.labels > 0, tested.probabilities >= THRESHOLD
    found, predicted, there = int((labels & taken).sum()), int(taken.sum()), int(labels.sum())
    each = average_precisions(tested.logits, tested.labels)
    bins, error = calibration(tested.probabilities.ravel(), labels.ravel())
    return {
        "map": float(np.nanmean(each)) if there else float("nan"),
        "classes": int(labels.any(0).sum()),
        "precision": proportion_of(found, predicted).value,
        "recall": proportion_of(found, there).value,
        "f1": 2 * found / (predicted + there) if predicted + there else float("nan"),
        "loss": float(losses_of(tested).mean()),
        "bins": bins,
        "calibration_error": error,
    }


def by_label(tested: Tested, names: tuple[str, ...]) -> list[LabelResult]:
    """What the test says of each class, in the order of the classes' names."""
    precisions, rows = average_precisions(tested.logits, tested.labels), []
    for i, name in enumerate(names):
        positive, probabilities = tested.labels[:, i] > 0, tested.probabilities[:, i]
        taken = probabilities >= THRESHOLD
        videos, predicted, found = int(positive.sum()), int(taken.sum()), int((positive & taken).sum())
        precision = found / predicted if predicted else float("nan")
        recall, best = proportion_of(found, videos), best_threshold(probabilities, positive)
        rows.append(LabelResult(name, videos, float(precisions[i]), found, recall, predicted, precision, *best))
    return rows


def best_threshold(
    probabilities: Float[np.ndarray, "video"], positive: Bool[np.ndarray, "video"]
) -> tuple[float, float]:
    """The probability from which on a class is best taken to be in a video, and the F1 at it; nan where none is of it.

    It is one of the probabilities; of thresholds with equal F1 the highest.
    """
    if not positive.any():
        return float("nan"), float("nan")
    order = np.argsort(-probabilities, kind="stable")
    last = np.append(np.diff(probabilities[order]) != 0, True)  # of those with its probability
    scores = (2 * np.cumsum(positive[order]) / (np.arange(1, len(order) + 1) + positive.sum()))[last]
    best = int(scores.argmax())
    return float(probabilities[order][last][best]), float(scores[best])


def worst(tested: Tested, count: int) -> list[int]:
    """At most `count` rows of `tested` with the highest loss, the highest first."""
    return [int(i) for i in np.argsort(-losses_of(tested), kind="stable")[:count]]


def surest(tested: Tested, count: int) -> list[tuple[int, int]]:
    """(row of `tested`, class) of the surest video of each class, at most `count`, the most frequent classes first."""
    frequent = np.argsort(-tested.labels.sum(0, dtype=int), kind="stable")
    there = [int(label) for label in frequent if tested.labels[:, label].any()]
    return [(int(np.where(tested.labels[:, i], tested.logits[:, i], -np.inf).argmax()), i) for i in there[:count]]
