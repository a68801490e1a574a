"""Videos of several labels: read from a table, held out so that each class is on both sides, as rows of 0 and 1."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8

from r3d_jax.data.sources import some
from r3d_jax.errors import InputError

SEPARATORS = ";|"  # of the labels in a cell; a table takes one of them


def merge_rows(rows: Sequence[Any], path: Path) -> list[Any]:
    """The videos of a table, each once, with the tuple of its labels in alphabetical order as `label`.

    Several labels stand in one cell, between ; or |, or in rows of their own under the same path. An empty cell says
    that the video is of none of the classes.

    Args:
      rows: of the table, as `listing.read_table` gives them.
      path: of the table, for messages.

    Raises:
      InputError: both separators occur; a path is for training in one row and for testing in another; there is no label
        at all.
    """
    used = {mark: row for row in reversed(rows) for mark in SEPARATORS if mark in row.label}
    if len(used) > 1:
        first, second = (f"{used[mark].label!r} of {used[mark].name} by {mark}" for mark in SEPARATORS)
        raise InputError(f"labels of {path} stand apart in two ways, {first} and {second}; take one of them")
    mark, videos, labels = "".join(used) or SEPARATORS[0], {}, {}
    for row in rows:
        first = videos.setdefault(row.path, row)
        if first.split != row.split:
            raise InputError(f"{path} has {row.name} for training in one row and for testing in another; take one")
        labels.setdefault(row.path, set()).update(label for part in row.label.split(mark) if (label := part.strip()))
    if not any(labels.values()):
        raise InputError(f"no video of {path} has a label; name the classes of each, with {mark} between them")
    return [row._replace(label=tuple(sorted(labels[where]))) for where, row in videos.items()]


def check_one_label(rows: Sequence[Any], path: Path) -> None:
    """Refuses a table that gives a video two labels where each has one, and says of what else looks like several.

    Args:
      rows: of the table, as `listing.read_table` gives them.
      path: of the table, for messages; of a folder nothing is said, since class folders cannot mean several labels.

    Raises:
      InputError: a path stands in two rows of different labels.
    """
    labels: dict[Path, str] = {}
    for row in rows if path.is_file() else ():
        if labels.setdefault(row.path, row.label) != row.label:
            raise InputError(
                f"{path} gives {row.name} two labels, {labels[row.path]!r} and {row.label!r}; keep one, or set "
                "`multi_label` if a video has several"
            )
    if marked := sorted(label for label in set(labels.values()) if set(SEPARATORS) & set(label)):
        print(
            f"{len(marked):,} classes of {path} have ; or | in their names ({some(marked)}); if these are several "
            "labels, set `multi_label`",
            flush=True,
        )


def check_sides(splits: Sequence[str], labels: Sequence[tuple[int, ...]], path: Path) -> None:
    """Says how many videos are of no class, and refuses a side of the split that has nothing but those.

    Args:
      splits: "train" or "test" of each video.
      labels: of each video.
      path: of the table, for messages.

    Raises:
      InputError: no training video has a label, or no test video.
    """
    for side in ("train", "test"):
        if side in splits and not any(its for its, split in zip(labels, splits) if split == side):
            raise InputError(f"no {side} video of {path} has a label; there is nothing to learn or to measure")
    if none := sum(not its for its in labels):
        print(f"{none:,} of the {len(labels):,} videos in {path} have no label: they are of none of the classes")


def stratify(
    groups: Sequence[str],
    labels: Sequence[tuple[Any, ...]],
    share: float,
    seed: int,
    earlier: Sequence[str] = (),
) -> list[str]:
    """Draws whole groups of videos for testing, about a `share` of those of each class, and at least one of two.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas, ECML PKDD 2011): the groups of the rarest class that is
    left go one by one to the side that lacks most of it.

    Args:
      groups: of each video; those of one group stay together.
      labels: the classes of each video.
      share: from 0 to 1, of the groups that have a class.
      seed: of the order in which groups are looked at.
      earlier: for each video "train" or "test" as drawn before, which stays, or empty; others of its group follow it.

    Returns:
      "train" or "test" for each video.
    """
    classes: dict[str, set[int]] = {}
    for group, its in zip(groups, labels):
        classes.setdefault(group, set()).update(its)
    names = sorted(classes)
    waiting = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    counts = Counter(label for name in waiting for label in classes[name])
    test = {label: min(max(share * count, 1), count - 1) for label, count in counts.items()}
    lacking = {"train": {label: count - test[label] for label, count in counts.items()}, "test": test}
    room, sides = {"train": (1 - share) * len(waiting), "test": share * len(waiting)}, {}
    while waiting:
        left = Counter(label for name in waiting for label in classes[name])
        rarest = min(left, key=lambda label: (left[label], label)) if left else None
        for name in [name for name in waiting if rarest is None or rarest in classes[name]]:
            sides[name] = max(lacking, key=lambda side: (lacking[side].get(rarest, 0), room[side]))
            room[sides[name]] -= 1
            for label in classes[name]:
                lacking[sides[name]][label] -= 1
        waiting = [name for name in waiting if name not in sides]
    earlier = earlier or [""] * len(groups)
    sides |= {group: side for group, side in zip(groups, earlier) if side}
    return [side or sides[group] for group, side in zip(groups, earlier)]


def index_of(columns: dict[str, Sequence], classes: int, multi_label: bool) -> dict[str, np.ndarray]:
    """The index of a data set as arrays, from its columns as JSON carries them; labels as rows of 0 and 1 or not.

    Args:
      classes: how many there are.
      multi_label: whether `label` has the numbers of a video's classes, not the number of its class.
    """
    index = {column: np.array(values) for column, values in columns.items() if column != "label"}
    label = multi_hot(columns["label"], classes) if multi_label else np.array(columns["label"])
    return index | {"label": label}


def multi_hot(numbers: Sequence[Sequence[int]], classes: int) -> UInt8[np.ndarray, "video class"]:
    """A row for each video, with 1 at the `numbers` of its classes and 0 elsewhere."""
    found = np.zeros((len(numbers), classes), np.uint8)
    for row, its in zip(found, numbers):
        row[list(its)] = 1
    return found


def classes_in(labels: Int[np.ndarray, "video"] | UInt8[np.ndarray, "video class"]) -> set[int]:
    """The numbers of all classes that some video is of, from one label for each video or from rows of 0 and 1."""
    return set((labels if labels.ndim == 1 else np.flatnonzero(labels.any(0))).tolist())
