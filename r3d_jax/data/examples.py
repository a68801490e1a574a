"""From what has been made of videos to the records of a data set, and what is told of them all."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from r3d_jax.data.kept import Prepared
from r3d_jax.data.preparation import CUT_SHORT, VideoFile
from r3d_jax.video.reencode import Effect


class Notes(NamedTuple):
    """What `examples` finds out on its way, complete once it has come to its end.

    Attributes:
      index: a row of columns for each record.
      videos: the digest of the file behind each record.
      digests: {path: digest} of all files; empty where one cannot be read.
      left_out: (name, reason) of each video that has become no record.
      short: (name, how short) of each that has fewer frames than it declares.
      effects: of re-encoding, where it was measured.
    """

    index: list[dict[str, Any]]
    videos: list[str]
    digests: dict[Path | None, str]
    left_out: list[tuple[str, str]]
    short: list[tuple[str, str]]
    effects: list[Effect]


def new_notes() -> Notes:
    """Notes with nothing in them yet."""
    return Notes([], [], {}, [], [], [])


def examples(
    files: Sequence[VideoFile], found: Iterable[tuple[str, Prepared | str]], notes: Notes
) -> Iterator[tuple[int, dict[str, Any]]]:
    """TFDS's key and example of each video that has become a record, in the order of the files.

    Args:
      files: every video of the data set.
      found: for each of them what `preparation.prepare` gives.
      notes: is added to.
    """
    for file, (digest, made) in zip(files, found):
        notes.digests[file.path] = digest
        if isinstance(made, str):
            notes.left_out.append((file.name, made))
            continue
        data, info, packet_index, effect = made
        notes.effects.extend([effect] if effect else [])
        if info.num_frames < CUT_SHORT * info.declared_frames:
            how = f"{info.num_frames} decode of the {info.declared_frames} it declares"
            notes.short.append((file.name, how))
        folds = {f"fold{fold}": member for fold, member in enumerate(file.folds, start=1)}
        columns = {"name": file.name, "label": file.label, "group": file.group, **info._asdict(), **folds}
        # TFDS sorts by key, in 1,000 buckets of the 128-bit range; small keys would fall in one, held in memory.
        key = len(notes.index) * (2**128 // len(files))
        notes.index.append(columns)
        notes.videos.append(digest)
        yield key, {**columns, **packet_index._asdict(), "label": np.array(file.label, np.int32), "video": data}
