"""What the logits of a test say: accuracies and how sure they are, confusions, calibration, the worth of views."""

from collections.abc import Callable
from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from r3d_jax.training.metrics import Proportion, proportion_of

BINS = 10  # of confidence
SUBSETS = 20  # of the views, that are tried for each number of them

Labels = Int[np.ndarray, "video"]


class ClassResult(NamedTuple):
    """What a test says of one class.

    Attributes:
      videos, right: how many test videos are of the class, and how many of them are recognised.
      recall: what part of its videos is recognised; nan where there is none.
      predicted, precision: how many videos are taken for the class, and what part of them is of it (nan: of none).
      taken_for, taken: the class that its videos are most often taken for, and how many are; empty and 0 without one.
    """

    name: str
    videos: int
    right: int
    recall: Proportion
    predicted: int
    precision: float
    taken_for: str
    taken: int


class Bin(NamedTuple):
    """The test videos whose confidence, the probability of the predicted class, lies from `low` to `high`.

    Attributes:
      videos: how many there are.
      confidence, accuracy: their mean confidence, and what part of them is right.
    """

    low: float
    high: float
    videos: int
    confidence: float
    accuracy: float


def proportion_of_clips(hits: Bool[np.ndarray, "video clip"]) -> Proportion:
    """The part of all clips that is right, with an interval that knows that clips of one video are alike.

    It is Wilson's for as many independent clips as these are worth: their number over the design effect (Kish, 1965),
    and at least that of the videos.

    Args:
      hits: whether each clip is right.
    """
    videos, views = hits.shape
    value = float(hits.mean())
    spread = hits.mean(1).var(ddof=1) / videos if videos > 1 else 0.0
    worth = value * (1 - value) / spread if spread else videos
    interval = proportion_of(value * (count := min(max(worth, videos), videos * views)), count)
    return interval._replace(value=value)


def rank_of(scores: Float[np.ndarray, "*rows class"], labels: Int[np.ndarray, "*rows"]) -> Int[np.ndarray, "*rows"]:
    """The label's place, from 1, among the classes by their scores; of equal scores the lower class comes first."""
    its = np.take_along_axis(scores, labels[..., None], -1)
    before = np.arange(scores.shape[-1]) < labels[..., None]
    return 1 + ((scores > its) | ((scores == its) & before)).sum(-1)


def confusion(predicted: Labels, labels: Labels, classes: int) -> Int[np.ndarray, "label predicted"]:
    """How many videos of each of the `classes` are taken for each of them."""
    matrix = np.zeros((classes, classes), int)
    np.add.at(matrix, (labels, predicted), 1)
    return matrix


def by_class(matrix: Int[np.ndarray, "label predicted"], names: tuple[str, ...]) -> list[ClassResult]:
    """What a confusion matrix says of each class, in the order of the classes' names."""
    rows = []
    for i, name in enumerate(names):
        videos, right, predicted = int(matrix[i].sum()), int(matrix[i, i]), int(matrix[:, i].sum())
        wrong = np.where(np.arange(len(names)) == i, 0, matrix[i])
        worst = int(wrong.argmax())
        precision = right / predicted if predicted else float("nan")
        taken = int(wrong[worst])
        rows.append(
            ClassResult(
                name,
                videos,
                right,
                proportion_of(right, videos),
                predicted,
                precision,
                names[worst] if taken else "",
                taken,
            )
        )
    return rows


def mean_class_accuracy(predicted: Labels, labels: Labels) -> float:
    """The mean, over the classes that have videos, of the part of a class's videos that is recognised."""
    return float(np.mean([(predicted[labels == label] == label).mean() for label in np.unique(labels)]))


def calibration(confidence: Float[np.ndarray, "video"], right: Bool[np.ndarray, "video"]) -> tuple[list[Bin], float]:
    """Bins of confidence, those without a video left out, and the expected calibration error.

    The error is the mean distance of confidence and accuracy over the videos (Guo et al., arXiv:1706.04599).

    Args:
      confidence: probability of each video's likeliest class.
      right: whether each video is of its likeliest class.
    """
    places = np.minimum((confidence * BINS).astype(int), BINS - 1)
    bins, error = [], 0.0
    for place in range(BINS):
        inside = places == place
        if count := int(inside.sum()):
            sure, accuracy = float(confidence[inside].mean()), float(right[inside].mean())
            bins.append(Bin(place / BINS, (place + 1) / BINS, count, sure, accuracy))
            error += count / len(right) * abs(sure - accuracy)
    return bins, error


def by_views(
    logits: Float[np.ndarray, "video crop view class"],
    labels: Labels | UInt8[np.ndarray, "video class"],
    average: Callable,
    score: Callable | None = None,
) -> list[tuple[int, float]]:
    """(number of views, video-level top-1 or another accuracy with so many), from one view to all.

    Each accuracy is the mean over subsets of the views: over all of them, or over SUBSETS drawn ones where there are
    more.

    Args:
      average: gives scores [video, class] for logits [video, clip, class].
      score: gives the accuracy for such scores and the labels; None: top-1.
    """
    views = logits.shape[2]
    rng = np.random.default_rng(0)
    found = []
    for count in range(1, views + 1):
        if comb(views, count) <= SUBSETS:
            subsets = list(combinations(range(views), count))
        else:
            subsets = [np.sort(rng.permutation(views)[:count]) for _ in range(SUBSETS)]
        accuracies = []
        for subset in subsets:
            chosen = logits[:, :, list(subset)]
            scores = average(chosen.reshape(len(chosen), -1, chosen.shape[-1]))
            accuracies.append(score(scores, labels) if score else (scores.argmax(1) == labels).mean())
        found.append((count, float(np.mean(accuracies))))
    return found
