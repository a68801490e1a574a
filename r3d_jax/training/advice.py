"""What a run's numbers say that its user should know: worse than guessing, learned by heart, too few to tell."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from r3d_jax.data.census import Largest
from r3d_jax.training.metrics import proportion_of

FAR = 0.1  # by which training accuracy exceeds the test's interval where videos are known by heart
NOISE = 0.01  # of accuracies, that a step above chance must exceed
WORSE = 1.1  # times the loss of guessing, that dropout and a head that has just begun do not reach


def above_chance(rows: Sequence[dict[str, Any]], *, epoch: int, steps_per_epoch: int, classes: int) -> str:
    """What to say after the first whole epoch, but for the very first, whose loss is well above guessing's; or "".

    Guessing has a cross-entropy of log(classes). Later epochs like it are not told again.

    Args:
      rows: of a metrics log, in their order.
      epoch: which has just ended, from 1.
    """
    chance = math.log(classes)
    means = [_mean_of_epoch(rows, each, steps_per_epoch, "loss") for each in range(2, epoch + 1)]
    above = [mean is not None and mean > WORSE * chance for mean in means]
    if not above or not above[-1] or any(above[:-1]):
        return ""
    return (
        f"epoch {epoch}: the mean training loss is {means[-1]:.2f}, and that of guessing among {classes} classes "
        f"{chance:.2f}: the learning rate is too high; stop this run, and begin in another `workdir` with a "
        "third of `optim.learning_rates`"
    )


def at_chance(
    rows: Sequence[dict[str, Any]],
    *,
    epoch: int,
    epochs: int,
    steps_per_epoch: int,
    commonest: Largest,
    trained: bool = False,
) -> str:
    """What to say after a third of the epochs where training accuracy is that of always answering one class; or "".

    Args:
      rows: of a metrics log, in their order.
      epoch: which has just ended, from 1.
      commonest: the largest class of the training videos, and its share of those.
      trained: whether the run has begun with a trained network.
    """
    accuracy = _mean_of_epoch(rows, epoch, steps_per_epoch, "accuracy")
    if epoch != -(-epochs // 3) or epoch == epochs or accuracy is None or accuracy > commonest.share + NOISE:
        return ""
    return (
        f"After a third of the run, {accuracy:.1%} of the training clips are right, and always answering "
        f"{commonest.name} would be {commonest.share:.1%}. What to try: another learning rate, lower or higher by a "
        "factor of 3 (`optim.learning_rates`); clips that reach over more of a video (`clip.frames`, `clip.stride`); "
        f"{'another' if trained else 'a'} trained network to begin with (`finetune.source`); and look at the training "
        "clips, whether one sees the difference in them"
    )


def verdict(summary: dict[str, Any], commonest: Largest) -> str:
    """What a test's accuracy is worth: its 95 % interval, and whether it is told from always answering one class.

    Args:
      summary: of `evaluate`.
      commonest: the largest class of the training videos, and its share of the test videos.
    """
    count, value = summary["videos"], summary["video_top1"]
    _, low, high = proportion_of(value * count, count)
    line = (
        f"{value:.1%} of {count:,} test videos, 95 % interval {low:.1%} to {high:.1%}; always answering "
        f"{commonest.name}: {commonest.share:.1%}"
    )
    if commonest.share < low:
        return line
    if commonest.share > high:
        return f"{line}, which is better"
    return f"{line}, which lies in it: these are too few test videos, or too few right, to tell the two apart"


def by_heart(rows: Sequence[dict[str, Any]], *, epoch: int, steps_per_epoch: int, summary: dict[str, Any]) -> str:
    """What to say at a run's end where training accuracy is far above the test's interval; or "".

    Args:
      rows: of a metrics log, in their order.
      epoch: the last one, from 1.
      summary: of `evaluate`, after it.
    """
    accuracy, count = _mean_of_epoch(rows, epoch, steps_per_epoch, "accuracy"), summary["videos"]
    high = proportion_of(summary["video_top1"] * count, count).high
    if accuracy is None or accuracy < high + FAR:
        return ""
    return (
        f"{accuracy:.1%} of the training clips are right, but {summary['video_top1']:.1%} of the test videos: the "
        "network knows its training videos by heart. What to try, in this order: more training videos, of other "
        "people and places; a trained network to begin with (`finetune.source`); stronger augmentation "
        "(`augment.jitter`, `augment.operations`, `augment.strides`); more `model.dropout` and `optim.weight_decay`"
    )


def _mean_of_epoch(rows, epoch, steps_per_epoch, name):
    """The mean of what the log has of an epoch's training; of rows of many steps, those that end in it. None: none."""
    inside = [row[name] for row in rows if row["kind"] == "train" and -(-row["step"] // steps_per_epoch) == epoch]
    return float(np.mean(inside)) if inside else None
