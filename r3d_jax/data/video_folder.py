"""A user's own videos as a TFDS builder: one folder for each class, or a table of paths and labels."""

import csv
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from r3d_jax.data.builder import VideoBuilder
from r3d_jax.data.multi_label import check_one_label, check_sides, merge_rows, stratify
from r3d_jax.data.preparation import VideoFile, variant_of
from r3d_jax.errors import InputError
from r3d_jax.video.folder import SUFFIXES

TABLES = {".csv": ",", ".tsv": "\t"}


class Entry(NamedTuple):
    """One video of the source.

    Attributes:
      name: `class/file`, or the path as a table gives it.
      path: of the file.
      label: the name of its class; where videos have several, the names of its classes.
      split: "train" or "test"; empty where the source does not say.
    """

    name: str
    path: Path
    label: str | tuple[str, ...]
    split: str


class VideoFolder(VideoBuilder, skip_registration=True):
    """A user's own videos in one fold: what is for testing is told by the source, or drawn from each class."""

    name = "video_folder"

    def __init__(
        self,
        *,
        source: str | Path,
        data_dir: str | Path = "data",
        test_share: float = 0.2,
        group: str = "",
        seed: int = 0,
        multi_label: bool = False,
        **preparing: Any,
    ):
        """Nothing is read yet.

        Args:
          source: a folder of class folders, or of `train` and `test` with class folders in them, or a .csv or .tsv of
            path and label (and, if it likes, split: train or test); paths are relative to the table's folder.
          data_dir: folder that prepared data sets are kept in.
          test_share: of each class, from 0 to 1, held out where the source does not say what is for testing.
          group: regular expression; videos in whose `class/file` (in a table: path) it finds the same are held out
            together or not at all.
          seed: of the draw of what is held out.
          multi_label: whether a video of a table may have several labels, or none, as `multi_label.merge_rows` reads
            them; then about `test_share` of the groups of each class is held out.
          preparing: `max_broken`, `short_edge`, `key_every` and `renew`, as `VideoBuilder` takes them.

        Raises:
          InputError: `source` is empty, or no table where videos are `multi_label`; `group` is no regular expression.
        """
        if not source:
            raise InputError("video_folder needs videos; name their folder, or a .csv, as `source`")
        self.source = Path(source).expanduser().resolve()
        self.share, self.seed, self.group, self.multi_label = test_share, seed, _compiled(group), multi_label
        if multi_label and self.source.suffix.lower() not in TABLES:
            raise InputError(f"`multi_label` needs a .csv or .tsv of paths and labels as `source`, not {self.source}")
        variant = variant_of(self.source, test_share, group, seed, *["multi_label"] * multi_label)
        super().__init__(data_dir=data_dir, variant=variant, **preparing)

    def source_files(self) -> list[Path] | None:
        """The videos of the source; None where it is gone.

        Raises:
          InputError: the source holds no videos, or is a table that cannot be understood.
        """
        return [row.path for row in self._rows()] if self.source.exists() else None

    def fingerprint(self) -> int | None:
        """A number that changes whenever a video, its label or its split does; None where the source is gone.

        Raises:
          InputError: the source holds no videos, or is a table that cannot be understood.
        """
        if not self.source.exists():
            return None
        # The text that prepared data sets hold the checksum of: as long as it stays as it is, they stay valid.
        rows = (
            f"Row(name={name!r}, path={path!r}, label={label!r}, split={split!r}) {path.stat().st_size}"
            for name, path, label, split in self._rows()
            if path.exists()
        )
        return zlib.crc32("\n".join(rows).encode())

    def class_names(self) -> tuple[str, ...]:
        """The labels in alphabetical order, or in that of their numbers where all of them are numbers.

        Raises:
          InputError: the source holds no videos, or is a table that cannot be understood.
        """
        labels = {label for row in self._rows() for label in (row.label if self.multi_label else [row.label])}
        return tuple(sorted(labels, key=int if all(label.isdecimal() for label in labels) else None))

    def video_files(self, dl_manager: tfds.download.DownloadManager) -> list[VideoFile]:
        """Every video of the source.

        Raises:
          InputError: the source holds no videos, is a table that cannot be understood or gives a video two labels
            where it may have one, or has a video in whose name `group` finds nothing.
        """
        rows, number = self._rows(), {name: label for label, name in enumerate(self.class_names())}
        if self.multi_label:
            labels = [tuple(number[name] for name in row.label) for row in rows]
        else:
            check_one_label(rows, self.source)
            labels = [number[row.label] for row in rows]
        groups = [self._group_of(row) for row in rows]
        splits = [row.split for row in rows]
        if not all(splits):
            splits = (stratify if self.multi_label else hold_out)(groups, labels, self.share, self.seed)
        if self.multi_label:
            check_sides(splits, labels, self.source)
        numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
        return [
            VideoFile(row.name, label, numbers[group], (split,), row.path.read_bytes, row.path)
            for row, label, group, split in zip(rows, labels, groups, splits)
        ]

    def _group_of(self, row):
        if not self.group:
            return str(row.path)
        found = self.group.search(row.name)
        if not found:
            raise InputError(
                f"`group` (={self.group.pattern!r}) finds nothing in {row.name}; every video needs a group"
            )
        return "|".join(found.groups() or [found[0]])

    def _rows(self):
        """Every video, in an order that the source alone decides."""
        if self.source.suffix.lower() in TABLES:
            rows = read_table(self.source, multi_label=self.multi_label)
            return merge_rows(rows, self.source) if self.multi_label else rows
        if not self.source.is_dir():
            raise InputError(f"no folder and no .csv or .tsv at {self.source} (`source`)")
        split_folders = {split: self.source / split for split in ("train", "test")}
        if all(folder.is_dir() for folder in split_folders.values()):
            rows = [row for split, folder in split_folders.items() for row in _read_classes(folder, split)]
        else:
            rows = _read_classes(self.source, "")
        if not rows:
            raise InputError(
                f"no videos in {self.source}: it must hold a folder for each class with the videos in it, or `train` "
                f"and `test` with such folders, or be a .csv or .tsv; videos are called *{', *'.join(sorted(SUFFIXES))}"
            )
        return rows


def hold_out(groups: Sequence[str], labels: Sequence[int | str], share: float, seed: int) -> list[str]:
    """Draws whole groups of videos for testing, so that about a `share` of each class is held out.

    Args:
      groups: of each video; those of one group stay together.
      labels: the class of each video.
      share: of each class, from 0 to 1.
      seed: of the order in which groups are looked at; one is taken if that brings its classes closer to their share.

    Returns:
      "train" or "test" for each video.
    """
    left = {label: share * count for label, count in Counter(labels).items()}
    members: dict[str, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    splits = ["train"] * len(groups)
    names = sorted(members)
    for at in np.random.default_rng(seed).permutation(len(names)):
        inside = Counter(labels[i] for i in members[names[at]])
        if sum(abs(left[label]) - abs(left[label] - count) for label, count in inside.items()) > 0:
            for label, count in inside.items():
                left[label] -= count
            for i in members[names[at]]:
                splits[i] = "test"
    return splits


def _read_classes(folder, split):
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [
        Entry(f"{each.name}/{path.relative_to(each)}", path, each.name, split)
        for each in classes
        for path in sorted(each.rglob("*"))
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    ]


def read_table(path: Path, *, multi_label: bool = False) -> list[Entry]:
    """The videos that a .csv or .tsv names by path and label and, if it likes, split: train or test.

    Columns may have titles; without titles they stand in that order. Paths are relative to the table's folder.

    Args:
      path: of the table.
      multi_label: whether a row may have no label, and the title of the labels be `labels`; cells stay as they are.

    Raises:
      InputError: there is no table at `path`, it cannot be understood, or it names no video.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [row for row in csv.reader(file, delimiter=TABLES[path.suffix.lower()]) if any(map(str.strip, row))]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a table ({error})") from error
    titles = [title.strip().lower() for title in lines[0]] if lines else []
    titles = ["label" if multi_label and title == "labels" else title for title in titles]
    titled = {"path", "label"} <= set(titles)
    columns = titles if titled else ["path", "label", "split"]
    rows = []
    for number, line in enumerate(lines[titled:], start=1 + titled):
        cells = dict(zip(columns, map(str.strip, line)))
        split = cells.get("split", "")
        labelled = "label" in cells if multi_label else cells.get("label")
        if not cells.get("path") or not labelled or split not in ("", "train", "test"):
            raise InputError(
                f"row {number} of {path} ({', '.join(line)}) must be a path, a label and, if anything, train or test"
                + ("; several labels stand in one cell, with ; or | between them" if multi_label else "")
            )
        rows.append(Entry(cells["path"], path.parent / cells["path"], cells["label"], split))
    if len({bool(row.split) for row in rows}) > 1:
        raise InputError(f"{path} says of some videos whether they are for training or testing; it must of all or none")
    if not rows:
        raise InputError(f"no videos in {path}; a row is a path and a label")
    return rows


def _compiled(pattern):
    try:
        return re.compile(pattern) if pattern else None
    except re.error as error:
        raise InputError(f"`group` (={pattern!r}) is no regular expression ({error})") from error
