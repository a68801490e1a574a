"""A user's own videos as a TFDS builder: one folder for each class, or a table of paths and labels."""

import zlib
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from r3d_jax.data.builder import VideoBuilder
from r3d_jax.data.census import near_equal
from r3d_jax.data.holdout import compiled, split_of
from r3d_jax.data.listing import TABLES, check_levels, in_label_order, read_source
from r3d_jax.data.multi_label import check_one_label, check_sides
from r3d_jax.data.preparation import VideoFile, variant_of
from r3d_jax.errors import InputError


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
          source: a folder of class folders, or of `train` and `test` (or `val`, `valid`, `validation`, `dev`) with
            class folders in them, or a .csv or .tsv of path and label (and, if it likes, split, in the same words);
            paths are relative to the table's folder.
          data_dir: folder that prepared data sets are kept in.
          test_share: about what part of each class, from 0 to 1, is held out where the source does not say what is for
            testing, as `holdout.hold_out` does.
          group: regular expression; videos in whose `class/file` (in a table: path) it finds the same are held out
            together or not at all. Empty: those whose names look like cuts of one recording are.
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
        self.share, self.seed, self.group, self.multi_label = test_share, seed, group, multi_label
        compiled(group)
        if multi_label and self.source.suffix.lower() not in TABLES:
            raise InputError(f"`multi_label` needs a .csv or .tsv of paths and labels as `source`, not {self.source}")
        variant = variant_of(self.source, test_share, group, seed, *["multi_label"] * multi_label)
        super().__init__(data_dir=data_dir, variant=variant, **preparing)

    def source_files(self) -> list[Path] | None:
        """The videos of the source; None where it is gone.

        Raises:
          InputError: the source holds no videos, or cannot be understood.
        """
        return [entry.path for entry in self._listing().entries] if self.source.exists() else None

    def fingerprint(self) -> int | None:
        """A number that changes whenever a video, its label or its split does; None where the source is gone.

        Raises:
          InputError: the source holds no videos, or cannot be understood.
        """
        if not self.source.exists():
            return None
        # The text that prepared data sets hold the checksum of: as long as it stays as it is, they stay valid.
        rows = (
            f"Row(name={name!r}, path={path!r}, label={label!r}, split={split!r}) {path.stat().st_size}"
            for name, path, label, split in self._listing().entries
            if path.exists()
        )
        return zlib.crc32("\n".join(rows).encode())

    def class_names(self) -> tuple[str, ...]:
        """The labels in alphabetical order, or in that of their numbers where all of them are numbers.

        Raises:
          InputError: the source holds no videos, or cannot be understood.
        """
        entries = self._listing().entries
        return in_label_order(label for each in entries for label in (each.label if self.multi_label else [each.label]))

    def video_files(self, dl_manager: tfds.download.DownloadManager) -> list[VideoFile]:
        """Every video of the source; prints what of the source is left out, or taken for something else.

        Where a data set is renewed, videos that it had stay in the split that they were in.

        Raises:
          InputError: the source holds no videos, cannot be understood, has folders of which nobody knows whether they
            are classes, gives a video two labels where it may have one, has classes that are called the same but for
            case and blanks, one with a single video to split, or a video in whose name `group` finds nothing.
        """
        (entries, notes), earlier = self._listing(), self._members
        classes = self.class_names()
        if not self.multi_label:
            check_one_label(entries, self.source)
        if not earlier:  # an earlier version may have understood the source otherwise, and its runs go on
            if self.source.is_dir():
                check_levels(entries, self.source)
            if alike := near_equal(classes):
                raise InputError(f"{self.source}: {alike[0]}")
        groups, members, made = split_of(entries, share=self.share, group=self.group, seed=self.seed, earlier=earlier)
        for line in notes + made:
            print(line, flush=True)
        number = {name: label for label, name in enumerate(classes)}
        if self.multi_label:
            labels = [tuple(number[name] for name in each.label) for each in entries]
            check_sides(members, labels, self.source)
        else:
            labels = [number[each.label] for each in entries]
        numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
        return [
            VideoFile(each.name, label, numbers[group], (member,), each.path.read_bytes, each.path)
            for each, label, group, member in zip(entries, labels, groups, members)
        ]

    def _listing(self):
        return read_source(self.source, multi_label=self.multi_label)
