"""What every data set shares: the TFDS builder that stores each video once, and the index that is read back."""

import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from r3d_jax.data.preparation import CUT_SHORT, prepare, report_left_out, report_short
from r3d_jax.data.records import features_of
from r3d_jax.errors import InputError
from r3d_jax.parallel import in_order
from r3d_jax.video.reencode import describe

MEASURED = 16  # re-encoded videos of which the effect is told
# Warnings of TFDS about what is meant to be so: a variant without an entry in its registry, a folder not yet filled.
USUAL = ("Using custom data configuration", "Variant folder %s has no ")


class VideoFile(NamedTuple):
    """One labelled video before it is prepared.

    Attributes:
      name: that stands for the video in messages and reports.
      label: number of its class.
      group: number of the recording that it was cut from; videos of one group must not be torn apart by a split.
      folds: for each fold one of `records.MEMBERSHIP`.
      read: returns the file's bytes.
    """

    name: str
    label: int
    group: int
    folds: tuple[str, ...]
    read: Callable[[], bytes]


class VideoSet(NamedTuple):
    """A prepared data set: `records[i]` holds the bytes of the video that row i of every `index` column tells of.

    Attributes:
      records: read from disk as they are asked for, with the fields of `records.features_of`.
      index: {column: array [video]}: name, label, group, the fields of `VideoInfo`, and fold1 ... of "train", "test"
        and "none".
      class_names: in label order.
    """

    records: Sequence[dict[str, Any]]
    index: dict[str, np.ndarray]
    class_names: tuple[str, ...]


class VideoBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Base of the builders. A subclass gives `folds`, `class_names`, `video_files` and `fingerprint`.

    Every video is one record of the TFDS split `videos`, whatever the number of folds; what a fold holds is a
    column. The columns other than the bytes stand a second time in `metadata.json`, the index, so that choosing
    a fold reads no video.
    """

    VERSION = tfds.core.Version("2.0.0")

    def __new__(cls, **arguments):
        builder = super().__new__(cls)
        builder._arguments = arguments
        return builder

    def __reduce__(self):
        """Made anew from its arguments where another process reads with it."""
        return partial(type(self), **self._arguments), ()

    folds = 1

    def __init__(
        self,
        *,
        variant: str,
        data_dir: str | Path = "data",
        max_broken: float = 0.01,
        short_edge: int = 0,
        key_every: int = 12,
    ):
        """Nothing is read yet.

        Args:
          variant: tells preparations of one data set apart.
          data_dir: folder that prepared data sets are kept in.
          max_broken: the share of videos, from 0 to 1, that may fail to decode and are left out then.
          short_edge: pixels of the short edge at which every video is re-encoded; 0: its bytes are kept.
          key_every: frames from one key frame to the next in a re-encoded video.
        """
        self.max_broken, self.short_edge, self.key_every = max_broken, short_edge, key_every
        variant += f"-{short_edge}px-key{key_every}" if short_edge else ""
        with usual_warnings_off():
            super().__init__(
                data_dir=os.path.expanduser(data_dir),
                config=tfds.core.BuilderConfig(name=variant),
                file_format="array_record",
            )

    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, in label order."""
        raise NotImplementedError

    def video_files(self, dl_manager: tfds.download.DownloadManager) -> list[VideoFile]:
        """Every video that is to be stored, in the order of the rows.

        Args:
          dl_manager: downloads what the data set is made from, where that is not on disk.
        """
        raise NotImplementedError

    def fingerprint(self) -> int | None:
        """A number that changes when what the data set is made from does; None where that is not at hand."""
        raise NotImplementedError

    def load(self) -> VideoSet:
        """The data set, prepared first if it is not yet.

        Raises:
          InputError: the videos cannot be found, or too many of them cannot be decoded, or they have changed since.
          OSError: the data set cannot be read or written.
        """
        with usual_warnings_off():
            if not self.is_prepared():
                self._prepare()
            metadata = self.info.metadata
            if self.fingerprint() not in (None, metadata["fingerprint"]):
                raise InputError(
                    f"the videos or split files have changed since {self.data_dir} was prepared from them; remove that "
                    "folder to prepare them again"
                )
            index = {column: np.array(values) for column, values in metadata["index"].items()}
            return VideoSet(self.as_data_source(split="videos"), index, tuple(metadata["class_names"]))

    def _prepare(self):
        tfds.disable_progress_bar()  # its bars count files twice; the one of `in_order` tells the truth
        try:
            self.download_and_prepare()
        except OSError:  # another process that prepared the same was faster
            if not Path(self.data_dir).is_dir():
                raise
        for folder in Path(self.data_dir).glob("unpacked-*"):
            shutil.rmtree(folder)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.__doc__,
            features=features_of(self.folds),
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager):
        files = self.video_files(dl_manager)
        return {"videos": self._generate_examples(files)}

    def _generate_examples(self, files: list[VideoFile]) -> Iterator[tuple[int, dict[str, Any]]]:
        index, left_out, effects, short = [], [], [], []
        measured = set(np.linspace(0, len(files) - 1, MEASURED).astype(int).tolist())

        def read(i):
            how = {"short_edge": self.short_edge, "key_every": self.key_every, "measured": i in measured}
            return prepare(files[i].read, **how)

        for file, found in zip(files, in_order(read, range(len(files)), label="Preparing videos")):
            if isinstance(found, str):
                left_out.append((file.name, found))
                continue
            data, info, packet_index, its_effect = found
            effects += [its_effect] if its_effect else []
            if info.num_frames < CUT_SHORT * info.declared_frames:
                short.append((file.name, f"{info.num_frames} decode of the {info.declared_frames} it declares"))
            columns = {"name": file.name, "label": file.label, "group": file.group, **info._asdict()}
            columns |= {f"fold{fold}": member for fold, member in enumerate(file.folds, start=1)}
            # TFDS sorts by key, in 1,000 buckets of the 128-bit range; small keys would fall in one, held in memory.
            key = len(index) * (2**128 // len(files))
            index.append(columns)
            yield key, {**columns, **packet_index._asdict(), "video": data}
        if effects:
            print(describe(effects), flush=True)
        report_short(short, len(files))
        report_left_out(left_out, len(files), self.max_broken)
        self.info.metadata.update(
            class_names=list(self.class_names()),
            index={column: [row[column] for row in index] for column in index[0]},
            left_out=left_out,
            fingerprint=self.fingerprint(),
        )

    def _log_download_bytes(self):
        print(f"Preparing {self.name} in {self.data_path}", flush=True)

    def _log_download_done(self):
        """TFDS's own lines speak of downloads and unknown sizes."""


@contextmanager
def usual_warnings_off() -> Iterator[None]:
    """Keeps to itself, in its `with` block, what TFDS warns of whenever a `VideoBuilder` is made and prepared."""
    logger = logging.getLogger("absl")

    def unusual(record):
        return not str(record.msg).startswith(USUAL)

    logger.addFilter(unusual)
    try:
        yield
    finally:
        logger.removeFilter(unusual)
