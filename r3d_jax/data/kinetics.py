"""Kinetics-400, -600 and -700 (Kay et al., arXiv:1705.06950) as a TFDS builder, from clips on disk and annotations."""

import csv
import os
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from r3d_jax.data.builder import VideoBuilder
from r3d_jax.data.preparation import VideoFile, report_missing, variant_of
from r3d_jax.errors import InputError

COLUMNS = {"label", "youtube_id", "time_start", "time_end"}
# The validation videos are what everyone tests on; the test videos are left out.
MEMBERSHIP = {"train": "train", "val": "test", "validate": "test", "validation": "test"}
SUFFIXES = (".mp4", ".mkv", ".webm", ".avi")


class Kinetics(VideoBuilder, skip_registration=True):
    """Clips of ten seconds of 400, 600 or 700 actions; the validation clips are for testing."""

    name = "kinetics"

    def __init__(self, *, source: str | Path, splits: str | Path = "", data_dir: str | Path = "data", **preparing: Any):
        """Nothing is read yet.

        Args:
          source: folder that holds clips, at any depth, called YOUTUBEID_000012_000022.mp4 or YOUTUBEID.mp4.
          splits: folder of the annotations `train.csv` and `val.csv` (or `validate.csv`), relative to `source` or not;
            empty: `source`. Their columns: label, youtube_id, time_start, time_end.
          data_dir: folder that prepared data sets are kept in.
          preparing: `max_broken`, `short_edge`, `key_every` and `renew`, as `VideoBuilder` takes them.

        Raises:
          InputError: `source` is empty.
        """
        if not source:
            raise InputError("Kinetics is not downloaded; name the folder of its clips as `source`")
        self.source, self.splits = Path(source).expanduser().resolve(), os.path.expanduser(splits)
        super().__init__(data_dir=data_dir, variant=variant_of(self.source, self.splits), **preparing)

    def source_files(self) -> list[Path] | None:
        """The clips and annotation files of the source; None where it is gone.

        Raises:
          InputError: there are no annotations.
        """
        if not self.source.is_dir():
            return None
        return sorted([*self._clips().values(), *self._annotations()])

    def class_names(self) -> tuple[str, ...]:
        """The labels that the annotations give, in alphabetical order.

        Raises:
          InputError: there are no annotations, or they cannot be understood.
        """
        return tuple(sorted({label for _, label, _ in self._rows()}))

    def video_files(self, dl_manager: tfds.download.DownloadManager) -> list[VideoFile]:
        """Every annotated clip that is there.

        Raises:
          InputError: no clips or annotations, or annotations that cannot be understood.
        """
        rows, clips = self._rows(), self._clips()
        labels = {name: label for label, name in enumerate(self.class_names())}
        files = []
        for names, label, member in rows:
            path = next((clips[name] for name in names if name in clips), None)
            if path:
                files.append(VideoFile(path.name, labels[label], 0, (member,), path.read_bytes, path))
        report_missing(len(rows) - len(files), len(rows), "annotations", self.source)
        return files

    def _clips(self):
        """{name without suffix: path} of every clip."""
        return {path.stem: path for path in sorted(self.source.rglob("*")) if path.suffix.lower() in SUFFIXES}

    def _annotations(self):
        """{path: membership}."""
        folder = self.source / self.splits
        files = {path: MEMBERSHIP[path.stem] for path in sorted(folder.glob("*.csv")) if path.stem in MEMBERSHIP}
        if missing := {"train", "test"} - set(files.values()):
            wanted = " and no ".join("train.csv" if name == "train" else "val.csv" for name in sorted(missing)[::-1])
            raise InputError(f"no {wanted} in {folder}; name the annotations' folder as `splits`")
        return files

    def _rows(self):
        """(names that the clip may have, label, membership) of every annotation."""
        rows = []
        for path, member in self._annotations().items():
            with path.open(newline="", encoding="utf-8-sig") as file:
                table = csv.DictReader(file)
                if not set(table.fieldnames or ()) >= COLUMNS:
                    raise InputError(f"{path} must have the columns {', '.join(sorted(COLUMNS))}")
                rows += [(_names_of(row, path), row["label"], member) for row in table]
        return rows


def _names_of(row, path):
    try:
        start, end = int(float(row["time_start"])), int(float(row["time_end"]))
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: {row['youtube_id']} has no times in seconds ({error})") from error
    return f"{row['youtube_id']}_{start:06d}_{end:06d}", row["youtube_id"]
