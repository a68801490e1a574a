"""How many videos of which class a split has, and what of that a user should know before training on it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from r3d_jax.data.sources import some
from r3d_jax.video.clips import span

SHOWN, ENDS = 12, 3  # classes that a table shows all of; of more, as many of the largest and of the smallest
UNEVEN = 3  # times the training videos of the smallest class, beyond which it is told
MIXED = 1.1  # times the lowest frame rate, beyond which it is told


class Census(NamedTuple):
    """How many videos of each class there are, in label order.

    Attributes:
      class_names: in label order.
      train, test: numbers of videos.
    """

    class_names: tuple[str, ...]
    train: Int[np.ndarray, "class"]
    test: Int[np.ndarray, "class"]


def census_of(labels: Sequence | np.ndarray, members: Sequence[str], class_names: tuple[str, ...]) -> Census:
    """Counts videos.

    Args:
      labels: the class of each or, where videos have several labels, rows of 0 and 1.
      members: "train", "test" or "none" of each.
      class_names: in label order.
    """
    labels, members = np.asarray(labels, int), np.asarray(members, str)
    if labels.ndim == 1:
        labels = np.arange(len(class_names)) == labels[:, None]
    train, test = (labels[members == which].sum(0) for which in ("train", "test"))
    return Census(class_names, train, test)


def table(census: Census, train: int, test: int) -> list[str]:
    """The lines of a table of classes, short for many classes, and a last line of so many videos in all."""
    names, count = census.class_names, len(census.class_names)
    order = list(range(count))
    if count > SHOWN:
        by_size = sorted(order, key=lambda label: (-census.train[label], -census.test[label], label))
        order = [*by_size[:ENDS], None, *by_size[-ENDS:]]
    between = f"... {count - 2 * ENDS:,} more"
    rows = [("class", "training", "test")]
    rows += [
        (between, "", "") if label is None else (names[label], f"{census.train[label]:,}", f"{census.test[label]:,}")
        for label in order
    ]
    rows.append((f"{count:,} classes", f"{train:,}", f"{test:,}"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return [f"{a:{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}".rstrip() for a, b, c in rows]


def largest_class(census: Census) -> tuple[str, float]:
    """The class with the most training videos, and the accuracy of always answering it: its share of the test videos.

    Of several such classes it is the one with the most test videos; without any test video the share is nan.
    """
    label = max(range(len(census.class_names)), key=lambda each: (census.train[each], census.test[each]))
    total = census.test.sum()
    return census.class_names[label], float(census.test[label] / total) if total else float("nan")


def gaps(census: Census, where: str = "") -> list[str]:
    """A line where classes have no training video, and one where they have no test video; of empty splits, none.

    Args:
      where: what they have none in, such as " in fold 1 that can be decoded".
    """
    found = []
    for split, counts, meaning in (
        ("train", census.train, "the network cannot learn them"),
        ("test", census.test, "no accuracy speaks of them"),
    ):
        without = [name for name, count in zip(census.class_names, counts) if not count]
        if counts.any() and without:
            found.append(
                f"{len(without):,} of {len(census.class_names):,} classes have no {split} video{where} "
                f"({some(without)}): {meaning}"
            )
    return found


def uneven(census: Census) -> list[str]:
    """A line where the largest class has more than UNEVEN times the training videos of the smallest that has any."""
    there = [label for label, count in enumerate(census.train) if count]
    if not there:
        return []
    least, most = (choose(there, key=lambda label: census.train[label]) for choose in (min, max))
    ratio = census.train[most] / census.train[least]
    if ratio <= UNEVEN:
        return []
    return [
        f"classes are uneven, {ratio:.3g} to 1 ({census.class_names[most]} with {census.train[most]:,} training "
        f"videos, {census.class_names[least]} with {census.train[least]:,}): beside the accuracy, look at the recall "
        "of each class in the report"
    ]


def mixed_rates(frame_rates: Iterable[float], *, frames: int, stride: int = 1) -> list[str]:
    """A line where frame rates differ by more than MIXED, with what that makes of a clip and what would make them one.

    Args:
      frame_rates: of the videos, a second; 0 (unknown) is left out.
      frames, stride: of a clip that counts every frame of a video.
    """
    counts = Counter(float(f"{rate:.4g}") for rate in frame_rates if rate > 0)
    if not counts or max(counts) <= MIXED * min(counts):
        return []
    low, high, (common, most) = min(counts), max(counts), counts.most_common(1)[0]
    reach = span(frames, stride)
    return [
        f"frame rates differ, from {low:g} to {high:g} a second (mostly {common:g}: {most:,} of {counts.total():,} "
        f"videos), so a clip of {frames} frames lasts from {reach / high:.2g} to {reach / low:.2g} s; "
        f"`clip.frame_rate` (={common:g}) would bring all to one rate"
    ]


def same_videos(
    digests: Sequence[str], names: Sequence[str], labels: Sequence[str], members: Sequence[str]
) -> list[str]:
    """A line where files of the same content are both in training and in test, and one where they are of two classes.

    Args:
      digests: of the content of each file; empty: unknown.
      names, labels, members: of each its name, its class, and "train", "test" or "none".
    """
    first: dict[tuple[str, str], dict[str, str]] = {}
    for digest, name, label, member in zip(digests, names, labels, members):
        if digest and member != "none":
            first.setdefault((digest, "split"), {}).setdefault(member, name)
            first.setdefault((digest, "class"), {}).setdefault(label, name)
    lines = []
    for what, meaning in (
        ("split", "both in training and in test: the accuracy counts what was trained on; remove one of each"),
        ("class", "of several classes: no network can tell those apart; remove all but one of each"),
    ):
        found = [
            " = ".join(f"{key} {name}" for key, name in names.items())
            for (_, kind), names in first.items()
            if kind == what and len(names) > 1
        ]
        if found:
            lines.append(f"{len(found):,} {'video is' if len(found) == 1 else 'videos are'} {meaning} ({some(found)})")
    return lines


def near_equal(labels: Iterable[str]) -> list[str]:
    """A line where names of classes differ in nothing but case and blanks."""
    alike: dict[str, set[str]] = {}
    for label in labels:
        alike.setdefault("".join(label.split()).casefold(), set()).add(label)
    found = [" and ".join(map(repr, sorted(names))) for names in alike.values() if len(names) > 1]
    return [f"classes differ in case or blanks alone: {some(found)}; call them the same"] if found else []
