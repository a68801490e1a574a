"""Clip-level and video-level counts, to be added over batches and divided at the end, and how sure they make."""

from math import sqrt
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, Shaped

from r3d_jax.training.losses import binary_cross_entropy

TOP = (1, 5)
Z = 1.959964  # of a standard normal: 95 % lie within


class Proportion(NamedTuple):
    """A part of a whole, from 0 to 1, and its 95 % confidence interval from `low` to `high`."""

    value: float
    low: float
    high: float


def hits(
    logits: Float[Array, "row class"], labels: Int[Array, "row"] | Shaped[Array, "row class"], k: int
) -> Bool[Array, "row"]:
    """Whether the label, of several one of them, is among the `k` largest logits of its row; ties: the lower class."""
    _, best = jax.lax.top_k(logits, min(k, logits.shape[-1]))
    if labels.ndim == 2:
        return (jnp.take_along_axis(labels, best, -1) > 0).any(-1)
    return (best == labels[:, None]).any(-1)


def count(
    view_logits: Float[Array, "video view class"],
    video_logits: Float[Array, "video class"],
    labels: Int[Array, "video"],
    valid: Bool[Array, "video"],
    topk: tuple[int, ...] = TOP,
) -> dict[str, Array]:
    """Sums over the `valid` videos: `videos`, `clips`, `loss` (cross-entropy of the videos), and hits at both levels.

    A hit of `video_top5` is a video whose label is among the five largest logits; `clip_top5` likewise of its views.
    `class_videos` and `class_hits` are arrays [class]: the videos of each class, and those whose largest logit it has.
    """
    _, views, classes = view_logits.shape
    clip_logits, clip_labels = view_logits.reshape(-1, classes), jnp.repeat(labels, views)
    losses = optax.softmax_cross_entropy_with_integer_labels(video_logits, labels)
    counts = {"videos": valid.sum(), "clips": valid.sum() * views, "loss": jnp.where(valid, losses, 0).sum()}
    for k in topk:
        counts[f"video_top{k}"] = (hits(video_logits, labels, k) & valid).sum()
        counts[f"clip_top{k}"] = (hits(clip_logits, clip_labels, k) & jnp.repeat(valid, views)).sum()
    for name, counted in (("class_videos", valid), ("class_hits", valid & hits(video_logits, labels, 1))):
        counts[name] = jnp.zeros(classes, jnp.int32).at[labels].add(counted)
    return counts


def count_multi_label(
    view_logits: Float[Array, "video view class"],
    video_logits: Float[Array, "video class"],
    labels: Shaped[Array, "video class"],
    valid: Bool[Array, "video"],
) -> dict[str, Array]:
    """Sums over the `valid` videos, as `count` has them, where a video may be of several classes.

    They are `videos`, `clips` and `loss`, the binary cross-entropy of the videos. Average precision is no sum over
    videos: see `average_precision`.
    """
    losses = binary_cross_entropy(video_logits, {"label": labels})
    clips = valid.sum() * view_logits.shape[1]
    return {"videos": valid.sum(), "clips": clips, "loss": jnp.where(valid, losses, 0).sum()}


def summarise(
    counts: dict[str, float | np.ndarray], num_classes: int, topk: tuple[int, ...] = TOP
) -> dict[str, int | float]:
    """Mean loss, the accuracies and their denominators, from `count`'s sums over all batches.

    A top-k is left out where there are not more classes than k: any network would have it. `mean_class_accuracy` is
    the mean, over the classes that have videos, of the video-level top-1 of each class's own: each class counts the
    same, however many videos it has.
    """
    summary = {level: int(counts[level]) for level in ("videos", "clips")}
    summary["loss"] = counts["loss"] / counts["videos"]
    for level in ("clip", "video"):
        for k in topk:
            if k < num_classes:
                summary[f"{level}_top{k}"] = counts[f"{level}_top{k}"] / counts[f"{level}s"]
    if "class_videos" in counts:
        there = np.flatnonzero(counts["class_videos"])
        summary["mean_class_accuracy"] = float((counts["class_hits"][there] / counts["class_videos"][there]).mean())
    return summary


def proportion_of(right: float, count: float) -> Proportion:
    """`right` of `count` with Wilson's score interval (Wilson, 1927), sound near 0 and 1 too; of nothing, nan."""
    if not count:
        return Proportion(*[float("nan")] * 3)
    value, z2 = right / count, Z * Z
    middle = (value + z2 / (2 * count)) / (1 + z2 / count)
    reach = Z / (1 + z2 / count) * sqrt(value * (1 - value) / count + z2 / (4 * count * count))
    return Proportion(value, max(0.0, middle - reach), min(1.0, middle + reach))
