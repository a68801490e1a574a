"""What every data set shares: the TFDS builder that stores each video once, and the index that is read back."""

import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from r3d_jax.class_names import check_class_names
from r3d_jax.data import sources
from r3d_jax.data.disk import RENEWED, alone, clear_kept, kept_beside, swap
from r3d_jax.data.examples import examples, new_notes
from r3d_jax.data.multi_label import index_of
from r3d_jax.data.preparation import VideoFile, prepare_all, report_left_out, report_short
from r3d_jax.data.quiet import usual_warnings_off
from r3d_jax.data.records import OrderedWriter, Records, features_of, prepared_of
from r3d_jax.errors import InputError
from r3d_jax.files import check_free, shortage
from r3d_jax.video.reencode import describe

OVERHEAD = 1.05  # of a record and its packet index, over the video's bytes


class VideoSet(NamedTuple):
    """A prepared data set: `records[i]` holds the bytes of the video that row i of every `index` column tells of.

    Attributes:
      records: read from disk as they are asked for, with the fields of `records.features_of`.
      index: {column: array [video]}: name, label, group, the fields of `VideoInfo`, and fold1 ... of "train", "test"
        and "none". Where videos have several labels, `label` is uint8 [video, class], 1 for each class of a video.
      class_names: in label order.
    """

    records: Sequence[dict[str, Any]]
    index: dict[str, np.ndarray]
    class_names: tuple[str, ...]

    @property
    def multi_label(self) -> bool:
        """Whether a video may be of several classes, or of none."""
        return self.index["label"].ndim == 2


class VideoBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Base of the builders. A subclass gives `folds`, `class_names`, `video_files` and `source_files`.

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

    folds, multi_label = 1, False
    source: Path | None = None
    _ahead: Callable[[Callable, list], None] | None = None

    def __init__(
        self,
        *,
        variant: str,
        data_dir: str | Path = "data",
        max_broken: float = 0.01,
        short_edge: int = 0,
        key_every: int = 12,
        renew: bool = False,
    ):
        """Nothing is read yet.

        Args:
          variant: tells preparations of one data set apart.
          data_dir: folder that prepared data sets are kept in.
          max_broken: the share of videos, from 0 to 1, that may fail to decode and are left out then.
          short_edge: pixels of the short edge at which every video is re-encoded; 0: its bytes are kept.
          key_every: frames from one key frame to the next in a re-encoded video.
          renew: whether what has changed since the preparation is prepared again; if not, it is refused.
        """
        self.max_broken, self.short_edge, self.key_every, self.renew = max_broken, short_edge, key_every, renew
        # Bytes, as far as is known yet; {digest of a file: what was made of it}; {name: what it was for in fold 1}.
        self._needed, self._stored, self._members = 0, {}, {}
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

    def source_files(self) -> list[Path] | None:
        """The files that the data set is made from; None where they are not at hand."""
        raise NotImplementedError

    def fingerprint(self) -> int | None:
        """A number that changes with the names and sizes of the source's files; None where they are not at hand."""
        # The text that prepared data sets hold the checksum of: as long as it stays as it is, they stay valid.
        files = self.source_files()
        if files is None:
            return None
        return zlib.crc32("\n".join(f"{path.name} {path.stat().st_size}" for path in files if path.exists()).encode())

    def load(self, ahead: Callable[[Callable, list], None] | None = None) -> VideoSet:
        """The data set, prepared first if it is not yet.

        Args:
          ahead: calls a function with each of a list of items, in any order and by any processes that can read the
            source and write below `data_dir`; videos are decoded and re-encoded by it before this process makes
            records of them. None: threads of this process do all.

        Raises:
          InputError: the videos cannot be found, or too many of them cannot be decoded; they have changed since; a
            class cannot be called as it is; the disk has no room, or cannot be written to.
          OSError: the data set cannot be read.
        """
        self._ahead = ahead
        with usual_warnings_off():
            if not self.is_prepared():
                self._prepare()
            elif changes := self._changes():
                if not self.renew:
                    raise InputError(f"{changes}; set `renew` to prepare these again and keep the others")
                print(f"{changes}; preparing these again", flush=True)
                self._renew()
            else:
                clear_kept(Path(self.data_dir))
                metadata = self.info.metadata
                check_class_names(names := tuple(metadata["class_names"]), self.data_dir)
                index = index_of(metadata["index"], len(names), self.multi_label)
                return VideoSet(self._records(), index, names)
        return type(self)(**self._arguments).load(ahead)

    def _prepare(self):
        with alone(Path(self.data_dir), lambda: self._needed):
            if not self.is_prepared():  # another process may have been faster
                self._fill()

    def _fill(self):
        tfds.disable_progress_bar()  # its bars count files twice; the one of `in_order` tells the truth
        self.download_and_prepare()

    def _renew(self):
        """Prepares the data set once more beside the old one, of which it takes what files of the same bytes became."""
        folder = Path(self.data_dir)
        origin = sources.read_origin(folder / sources.ORIGIN)
        fresh = type(self)(**self._arguments)
        fresh._ahead = self._ahead
        with alone(folder, lambda: fresh._needed):
            records, index = self._records(), self.info.metadata["index"]
            fresh._data_dir = str(folder.with_name(RENEWED))
            fresh._members = dict(zip(index["name"], index["fold1"]))
            for row, digest in enumerate(origin.videos if origin else ()):
                fresh._stored[digest] = partial(prepared_of, records, index, row)
            fresh._fill()
            swap(folder)

    def _records(self):
        raw = tfds.decode.DeserializeMethod.RAW_BYTES
        return Records(self.as_data_source(split="videos", deserialize_method=raw), self.multi_label)

    def _changes(self):
        """What is not as it was when the data set was prepared; empty: nothing, or nobody can tell."""
        files = self.source_files()
        if files is None:
            if self.source:
                print(f"{self.source} is gone; using what was prepared from it in {self.data_dir}", flush=True)
            return ""
        which = sources.changes(Path(self.data_dir) / sources.ORIGIN, files, Path(self.source or ""))
        if not which and self.fingerprint() != self.info.metadata["fingerprint"]:
            which = "a label, a split or a file's size"  # all that is known of the files of an earlier version
        since = f"since {self.data_dir} was prepared from them"
        return which and f"the videos or split files in {self.source} have changed {since} ({which})"

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.__doc__,
            features=features_of(self.folds, self.multi_label),
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(),
        )

    def _example_writer(self):
        return OrderedWriter(self.info.file_format)

    def _split_generators(self, dl_manager):
        files = self.video_files(dl_manager)
        check_class_names(self.class_names(), self.source)
        sizes = [file.path.stat().st_size for file in files if file.path and file.path.exists()]
        self._needed = int(OVERHEAD * sum(sizes))
        needs = Path(self.data_dir), self._needed, f"preparing {len(files):,} videos"
        if not self.short_edge:
            check_free(*needs)
        elif lacking := shortage(*needs):
            print(f"{lacking}: it may be too little, unless re-encoding makes the videos smaller", flush=True)
        return {"videos": self._generate_examples(files)}

    def _generate_examples(self, files: list[VideoFile]) -> Iterator[tuple[int, dict[str, Any]]]:
        before = {path: path.stat() for path in self.source_files() or () if path.exists()}
        how = {"short_edge": self.short_edge, "key_every": self.key_every, "kept": kept_beside(Path(self.data_dir))}
        notes = new_notes()
        yield from examples(files, prepare_all(files, stored=self._stored, ahead=self._ahead, **how), notes)
        if notes.effects:
            print(describe(notes.effects), flush=True)
        report_short(notes.short, len(files))
        report_left_out(notes.left_out, len(files), self.max_broken)
        self.info.metadata.update(
            class_names=list(self.class_names()),
            index={column: [row[column] for row in notes.index] for column in notes.index[0]},
            left_out=notes.left_out,
            fingerprint=self.fingerprint(),
        )
        here, origin = Path(self.data_dir), sources.Origin(sources.stamps_of(before, notes.digests), notes.videos)
        sources.write_origin(here / sources.ORIGIN, origin)
        for folder in here.glob("unpacked-*"):
            shutil.rmtree(folder)

    def _log_download_bytes(self):
        print(f"Preparing {self.name} in {self.data_dir}", flush=True)

    def _log_download_done(self):
        """TFDS's own lines speak of downloads and unknown sizes."""
