"""What every data set shares: the TFDS builder that stores each video once, and the index that is read back."""

import os
import re
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from r3d_jax.errors import InputError
from r3d_jax.parallel import in_order
from r3d_jax.video.decode import PacketIndex
from r3d_jax.video.probe import probe
from r3d_jax.video.reencode import describe, effect, reencode

MEMBERSHIP = ("none", "train", "test")
MEASURED = 16  # re-encoded videos of which the effect is told
CUT_SHORT = 0.9  # of the declared frames; that a few fail to decode is common


class VideoFile(NamedTuple):
    """One labelled video before it is prepared; `read` returns its bytes, `folds` holds one MEMBERSHIP a fold."""

    name: str
    label: int
    group: int
    folds: tuple[str, ...]
    read: Callable[[], bytes]


class VideoSet(NamedTuple):
    """A prepared data set: `records[i]` holds the bytes of the video that row i of every `index` column tells of."""

    records: Sequence[dict[str, Any]]
    index: dict[str, np.ndarray]
    class_names: tuple[str, ...]


class VideoBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Base of the builders. A subclass gives `folds`, `class_names` and `video_files`.

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
        self, *, data_dir: str, variant: str, max_broken: float = 0.01, short_edge: int = 0, key_every: int = 12
    ):
        """Nothing is read yet.

        Args:
          variant: tells preparations of one data set apart.
          max_broken: the share of videos that may fail.
          short_edge, key_every: re-encode every video at this size, with a key frame every so many; 0: as it is.
        """
        self.max_broken, self.short_edge, self.key_every = max_broken, short_edge, key_every
        variant += f"-{short_edge}px-key{key_every}" if short_edge else ""
        super().__init__(
            data_dir=os.path.expanduser(data_dir),
            config=tfds.core.BuilderConfig(name=variant),
            file_format="array_record",
        )

    def class_names(self) -> tuple[str, ...]:
        """Names in label order."""
        raise NotImplementedError

    def video_files(self, dl_manager: tfds.download.DownloadManager) -> list[VideoFile]:
        """Every video to be stored."""
        raise NotImplementedError

    def fingerprint(self) -> int | None:
        """Changes when what the data set is made from does; None where that is not at hand."""
        raise NotImplementedError

    def _info(self) -> tfds.core.DatasetInfo:
        membership = tfds.features.ClassLabel(names=MEMBERSHIP)
        features = {
            "video": tfds.features.Text(doc="the file's bytes"),
            "name": tfds.features.Text(),
            "label": np.int32,
            "group": np.int32,
            "num_frames": np.int32,
            "declared_frames": np.int32,
            "frame_rate": np.float32,
            "height": np.int32,
            "width": np.int32,
        }
        # The packet_index: how to get at the frames. Beside the bytes only, not in the index.
        features |= {
            "packets": tfds.features.Tensor(shape=(None, 4), dtype=np.int64, encoding=tfds.features.Encoding.BYTES),
            "seconds": tfds.features.Tensor(shape=(None,), dtype=np.float64, encoding=tfds.features.Encoding.BYTES),
            "codec": tfds.features.Text(),
            "tag": tfds.features.Text(),
            "extradata": tfds.features.Text(),
            "delay": np.int32,
            "turn": np.int32,
            "mirror": np.bool_,
        }
        features |= {f"fold{fold}": membership for fold in range(1, self.folds + 1)}
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.__doc__,
            features=tfds.features.FeaturesDict(features),
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager):
        files = self.video_files(dl_manager)
        return {"videos": self._generate_examples(files)}

    def _generate_examples(self, files: list[VideoFile]) -> Iterator[tuple[int, dict[str, Any]]]:
        index, left_out, effects, short = [], [], [], []
        measured = set(np.linspace(0, len(files) - 1, MEASURED).astype(int).tolist())
        read = partial(_read, short_edge=self.short_edge, key_every=self.key_every)
        jobs = [(file, i in measured) for i, file in enumerate(files)]
        for file, found in zip(files, in_order(read, jobs, label="Preparing videos")):
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
        if short:
            print(f"{len(short)} of {len(files)} videos are cut short, and kept:{_listing(short)}", flush=True)
        _report_left_out(left_out, len(files), self.max_broken)
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

    def load(self) -> VideoSet:
        """The data set, prepared first if it is not yet.

        Raises:
          InputError: the videos cannot be found, or too many of them cannot be decoded, or they have changed since.
        """
        if not self.is_prepared():
            tfds.disable_progress_bar()  # its bars count files twice; the one of `in_order` tells the truth
            try:
                self.download_and_prepare()
            except OSError:  # another process that prepared the same was faster
                if not Path(self.data_dir).is_dir():
                    raise
            for folder in Path(self.data_dir).glob("unpacked-*"):
                shutil.rmtree(folder)
        metadata = self.info.metadata
        if self.fingerprint() not in (None, metadata["fingerprint"]):
            raise InputError(
                f"the videos or split files have changed since {self.data_dir} was prepared from them; remove that "
                "folder to prepare them again"
            )
        index = {column: np.array(values) for column, values in metadata["index"].items()}
        return VideoSet(self.as_data_source(split="videos"), index, tuple(metadata["class_names"]))


def packet_index_of(record: dict[str, Any]) -> PacketIndex:
    """Where the frames are in a record's video."""
    fields = {name: record[name] for name in PacketIndex._fields}
    return PacketIndex(**fields | {name: fields[name].decode() for name in ("codec", "tag")})


def variant_of(source: Path, *settings: object) -> str:
    """A name for the preparation of `source` with `settings`, fit for a folder."""
    place = zlib.crc32("|".join(map(str, (source, *settings))).encode())
    return re.sub(r"[^\w.-]", "_", f"{source.name}-{place:08x}")


def report_missing(missing: int, total: int, listing: str, folder: Path) -> None:
    """Says how many of the `total` videos of a `listing` are not in `folder`.

    Raises:
      InputError: all of them.
    """
    if missing == total:
        raise InputError(f"none of the {total:,} videos in the {listing} is in {folder}")
    if missing:
        print(f"{missing:,} of the {total:,} videos in the {listing} are not in {folder}", flush=True)


def _read(job, *, short_edge, key_every):
    """(bytes, VideoInfo, PacketIndex, Effect or None) of a file, or the reason why there is none."""
    file, measured = job
    try:
        data = file.read()
        info, packet_index = probe(data)
        if not short_edge:
            return data, info, packet_index, None
        smaller = reencode(data, info, packet_index, short_edge=short_edge, key_every=key_every)
        found = effect((data, info, packet_index), smaller, short_edge=short_edge) if measured else None
        return *smaller, found
    except (ValueError, OSError) as error:
        return str(error)


def _listing(rows):
    return "".join(f"\n  {name}: {reason}" for name, reason in rows)


def _report_left_out(left_out, total, max_broken):
    listing = _listing(left_out)
    if len(left_out) == total:
        raise InputError(f"none of the {total} videos can be decoded:{listing}")
    if len(left_out) > max_broken * total:
        raise InputError(
            f"{len(left_out)} of {total} videos cannot be decoded, more than the {max_broken:.0%} that "
            f"`data.max_broken` allows; repair or remove them, or raise it:{listing}"
        )
    if left_out:
        print(f"{len(left_out)} of {total} videos cannot be decoded and are left out:{listing}", flush=True)
