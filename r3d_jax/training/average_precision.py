"""Average precision of classes that a video may have several of, on the host, from the scores of all videos."""

import numpy as np
from jaxtyping import Bool, Float, UInt8


def average_precision(scores: Float[np.ndarray, "video"], positive: Bool[np.ndarray, "video"]) -> float:
    """Average precision of one class: sum over n of (R_n - R_{n-1}) P_n, as scikit-learn's `average_precision_score`.

    P_n and R_n are precision and recall of the videos whose score is at least the n-th of the distinct scores, from the
    largest on; equal scores are taken together, so that the order of the videos does not count.

    Args:
      scores: the larger, the more the class is expected: logits or probabilities.
      positive: whether each video is of the class.

    Returns:
      A number from 0 to 1; nan where no video is of the class.
    """
    if not positive.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)  # of those with its score
    found = np.cumsum(positive[order])[last]
    precision, recall = found / (np.flatnonzero(last) + 1), found / found[-1]
    return float(np.sum(np.diff(recall, prepend=0) * precision))


def average_precisions(
    scores: Float[np.ndarray, "video class"], labels: UInt8[np.ndarray, "video class"]
) -> Float[np.ndarray, "class"]:
    """The average precision of each class; nan where no video is of it."""
    return np.array([average_precision(scores[:, i], labels[:, i] > 0) for i in range(labels.shape[1])], np.float64)


def mean_average_precision(scores: Float[np.ndarray, "video class"], labels: UInt8[np.ndarray, "video class"]) -> float:
    """The mean of the classes' average precisions, over the classes that some video is of; nan where there is none."""
    each = average_precisions(scores, labels)
    return float(each[labels.any(0)].mean()) if labels.any() else float("nan")
