"""Which videos stand in which batch: pure functions of the index, the seed and the epoch."""

from functools import lru_cache

import numpy as np
from jaxtyping import Int, UInt8

from r3d_jax.data.builder import VideoSet
from r3d_jax.errors import InputError
from r3d_jax.video.transforms import short_edge_size


def split_rows(videos: VideoSet, fold: int, split: str) -> Int[np.ndarray, "video"]:
    """Rows of the data set's index whose videos a fold uses for training, or for testing.

    Args:
      fold: the official split, from 1.
      split: "train" or "test".

    Raises:
      InputError: the data set does not have the fold, `split` is another word, or no prepared video is in it.
    """
    folds = [column for column in videos.index if column.startswith("fold")]
    if f"fold{fold}" not in folds:
        raise InputError(f"`fold` (={fold}) must be from 1 to {len(folds)}, the folds of this data set")
    if split not in ("train", "test"):
        raise InputError(f"`split` (={split!r}) must be train or test, or an array of rows of the data set's index")
    rows = np.flatnonzero(videos.index[f"fold{fold}"] == split)
    if not len(rows):
        raise InputError(f"fold {fold} has no {split} video among the {len(videos.records)} prepared; try another")
    return rows


def steps_per_epoch(num_videos: int, batch_size: int) -> int:
    """How many batches show each of an epoch's videos; the last is filled up with clips of the epoch's first videos."""
    return -(-num_videos // batch_size)


@lru_cache(maxsize=2)
def epoch_order(seed: int, epoch: int, count: int) -> Int[np.ndarray, "count"]:
    """The order in which an epoch shows `count` videos: the numbers 0 to count - 1, drawn from (seed, epoch)."""
    return np.random.default_rng([seed, epoch]).permutation(count)


@lru_cache(maxsize=2)
def balanced_order(seed: int, epoch: int, counts: tuple[int, ...], length: int) -> Int[np.ndarray, "length"]:
    """The order in which an epoch shows videos so that every class is shown equally often, give or take one.

    Where an epoch shows more of a class than it has, none of its videos comes a further time before all others have;
    where it shows fewer, they are drawn anew in each epoch.

    Args:
      counts: how many videos each class has.
      length: how many an epoch shows.

    Returns:
      Places among the videos, sorted by class, drawn from (seed, epoch).
    """
    rng = np.random.default_rng([seed, epoch])
    firsts = np.cumsum([0, *counts[:-1]])
    classes = rng.permutation(np.flatnonzero(counts))
    quotas = length // len(classes) + (np.arange(len(classes)) < length % len(classes))
    shown = []
    for label, quota in zip(classes, quotas):
        rounds = [rng.permutation(counts[label]) for _ in range(-(-quota // counts[label]))]
        shown += [firsts[label] + each for each in np.concatenate([*rounds, [0]])[:quota]]
    return rng.permutation(np.array(shown, int))


def spread_over_classes(
    labels: Int[np.ndarray, "video"] | UInt8[np.ndarray, "video class"],
    rows: Int[np.ndarray, "row"],
    count: int,
    seed: int,
) -> Int[np.ndarray, "count"]:
    """Draws `count` of the rows, a first of every class before the second of any; gives all where there are fewer.

    Args:
      labels: of every video of the data set; of several labels, it is the turn of the one that is seen least so far.
      rows: of the data set's index.
      count: how many are drawn.
      seed: of the draw.

    Returns:
      The rows in rising order.
    """
    shuffled = np.random.default_rng(seed).permutation(rows)
    seen: dict[int, int] = {}
    turn = []
    for row in shuffled:
        its = [int(labels[row])] if labels.ndim == 1 else np.flatnonzero(labels[row]).tolist() or [-1]
        turn.append(min(seen.get(label, 0) for label in its))
        seen |= {label: seen.get(label, 0) + 1 for label in its}
    return np.sort(shuffled[np.argsort(turn, kind="stable")][:count])


def grouped_folds(
    groups: Int[np.ndarray, "video"], labels: Int[np.ndarray, "video"], count: int, seed: int
) -> Int[np.ndarray, "video"]:
    """Deals whole groups of videos out to folds, so that each fold has about as many videos of every class.

    The largest group comes first; each goes where there is least of its classes so far, and of equals where there is
    least of all.

    Args:
      groups: of each video; those of one group stay together.
      labels: the class of each video.
      count: of the folds.
      seed: of the order of groups of one size.

    Returns:
      The fold of each video, from 0.
    """
    names, place = np.unique(groups, return_inverse=True)
    inside = np.zeros((len(names), labels.max() + 1), int)  # videos of each class in each group
    np.add.at(inside, (place, labels), 1)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    order = shuffled[np.argsort(-inside[shuffled].sum(1), kind="stable")]
    dealt, fold_of = np.zeros((count, inside.shape[1]), int), np.zeros(len(names), int)
    for group in order:
        alike = dealt @ inside[group]
        fold_of[group] = np.lexsort((dealt.sum(1), alike))[0]
        dealt[fold_of[group]] += inside[group]
    return fold_of[place]


def grouped_by_size(
    videos: VideoSet, rows: Int[np.ndarray, "row"], batch_size: int, short_edge: int | None
) -> list[tuple[int, bool]]:
    """Puts videos into an order in which each batch holds frames of one size once they are resized.

    Each size is filled up to whole batches with its last video, which is not valid there.

    Args:
      rows: of the data set's index.
      batch_size: in videos.
      short_edge: in pixels, that frames are resized to; None: they are all made of one size later.

    Returns:
      (row, whether it is valid) of each place in the batches.
    """
    heights, widths = videos.index["height"][rows].tolist(), videos.index["width"][rows].tolist()
    sizes = [short_edge and short_edge_size(height, width, short_edge) for height, width in zip(heights, widths)]
    pairs = []
    for group in sorted(set(sizes)) if short_edge else [None]:
        members = [row for row, its in zip(rows, sizes) if its == group]
        pairs += [(row, True) for row in members]
        pairs += [(members[-1], False)] * (-len(members) % batch_size)
    return [(int(row), valid) for row, valid in pairs]
