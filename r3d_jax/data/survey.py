"""What training would make of a source, found out without preparing it."""

from collections.abc import Mapping
from pathlib import Path

from r3d_jax.data.census import (
    census_of,
    gaps,
    largest_class,
    mixed_rates,
    near_equal,
    same_videos,
    table,
    uneven,
)
from r3d_jax.data.holdout import SHARE, split_of
from r3d_jax.data.listing import check_levels, in_label_order, read_source
from r3d_jax.data.multi_label import check_one_label
from r3d_jax.errors import InputError
from r3d_jax.video.probe import VideoInfo


def survey(
    source: Path, read: Mapping[Path, tuple[str | None, VideoInfo | None]], *, frames: int, stride: int
) -> tuple[list[str], list[str]]:
    """What the classes and splits of a folder or a table are, with the settings that training has by default.

    Args:
      source: the folder or the table.
      read: {path: (digest, VideoInfo)} of its files; those of which one is None are not counted.
      frames, stride: of a clip.

    Returns:
      Lines to know (a table of the classes, what is left out, held out, uneven or mixed), and lines on what is wrong.
    """
    if source.is_dir() and all(path.parent == source for path in read):
        return ["no folders of classes: videos to predict, not to train on"], []
    try:
        entries, notes = read_source(source)
        if source.is_dir():
            check_levels(entries, source)
        check_one_label(entries, source)
        _, members, made = split_of(entries)
    except InputError as error:
        return [], [str(error)]
    classes = in_label_order(entry.label for entry in entries)
    found = [(entry, member, *read[entry.path]) for entry, member in zip(entries, members) if all(read[entry.path])]
    if not found:
        return [], []
    entries, members, digests, infos = zip(*found)
    names, labels = [entry.name for entry in entries], [entry.label for entry in entries]
    census = census_of([classes.index(label) for label in labels], members, classes)
    largest, share = largest_class(census)
    drawn = [] if entries[0].split else [f"no split of its own: about {SHARE:.0%} of each class would be held out"]
    facts = [
        *table(census, members.count("train"), members.count("test")),
        f"always answering {largest}, the largest class, would be right for {share:.2%} of the test videos",
        *drawn,
        *notes,
        *made,
        *uneven(census),
        *mixed_rates([info.frame_rate for info in infos], frames=frames, stride=stride),
    ]
    alone = [f"all videos are of one class ({classes[0]}), and a network learns to tell classes apart"]
    return facts, [
        *(alone if len(classes) == 1 else ()),
        *gaps(census),
        *near_equal(classes),
        *same_videos(digests, names, labels, members),
    ]
