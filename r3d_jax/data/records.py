"""What is stored of a prepared video: the fields of its record, and how its packet index is read back from them."""

import operator
from collections.abc import Iterable, Sequence
from typing import Any, SupportsIndex

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core.utils.lazy_imports_utils import array_record_module
from tensorflow_datasets.core.writer import ExampleWriter
from tensorflow_datasets.proto import tf_example_pb2

from r3d_jax.video.decode import PacketIndex
from r3d_jax.video.probe import VideoInfo

MEMBERSHIP = ("none", "train", "test")  # of a video in a fold


def features_of(folds: int, multi_label: bool = False) -> tfds.features.FeaturesDict:
    """The TFDS features of a record.

    They are the file's bytes, what `VideoInfo` and `PacketIndex` tell of the video, its name, label and group, and for
    each of the data set's `folds` what the video is for. The label is one class's number or, where videos are
    `multi_label`, those of any number of classes.
    """
    packets, seconds = (
        tfds.features.Tensor(shape=shape, dtype=dtype, encoding=tfds.features.Encoding.BYTES)
        for shape, dtype in (((None, 4), np.int64), ((None,), np.float64))
    )
    features = {
        "video": tfds.features.Text(doc="the file's bytes"),
        "name": tfds.features.Text(),
        "label": tfds.features.Tensor(shape=(None,) * multi_label, dtype=np.int32),
        "group": np.int32,
        "num_frames": np.int32,
        "declared_frames": np.int32,
        "frame_rate": np.float32,
        "height": np.int32,
        "width": np.int32,
        # The packet index: how to get at the frames. It stands beside the bytes only, not in the data set's index.
        "packets": packets,
        "seconds": seconds,
        "codec": tfds.features.Text(),
        "tag": tfds.features.Text(),
        "extradata": tfds.features.Text(),
        "delay": np.int32,
        "turn": np.int32,
        "mirror": np.bool_,
    }
    features |= {f"fold{fold}": tfds.features.ClassLabel(names=MEMBERSHIP) for fold in range(1, folds + 1)}
    return tfds.features.FeaturesDict(features)


class OrderedWriter(ExampleWriter):
    """A writer of ArrayRecord for TFDS, with the fields of each record in alphabetical order, and uncompressed.

    TFDS leaves that order to chance, which differs from process to process; so the same videos give the same files.
    Videos are compressed already: TFDS's own writer, which does it again, saves 4 % and doubles the time of reading.
    """

    def write(self, path: Any, examples: Iterable[tuple[Any, bytes]]) -> None:
        """Writes a shard.

        Args:
          path: of the file.
          examples: (key, serialised record) of each.
        """
        writer = array_record_module.ArrayRecordWriter(str(path), "group_size:1,uncompressed")
        for _, record in examples:
            writer.write(tf_example_pb2.Example.FromString(record).SerializeToString(deterministic=True))
        writer.close()


class Records(Sequence):
    """The records of a prepared data set, each read from disk as it is asked for: what `features_of` says of one.

    TFDS's own way from a record's bytes to its fields copies a video four times; this one twice.
    """

    def __init__(self, serialised: Sequence[bytes], multi_label: bool = False):
        """Of records as TFDS has written them, of videos with one label each, or `multi_label`."""
        self._serialised, self._multi_label = serialised, multi_label

    def __len__(self) -> int:
        return len(self._serialised)

    def __getitem__(self, row: SupportsIndex) -> dict[str, Any]:
        """Reads the record of a row of the data set's index.

        Raises:
          OSError: the disk fails.
          RuntimeError: the record is damaged.
        """
        row = operator.index(row)  # of another type than int, a range would be searched through for it
        if row not in range(len(self)):
            raise IndexError(f"there is no record {row} among {len(self)}")
        fields = tf_example_pb2.Example.FromString(self._serialised[row]).features.feature
        lists = {name: getattr(fields[name], fields[name].WhichOneof("kind")).value for name in fields}
        record = {name: values[0] for name, values in lists.items() if name != "label"}
        label = np.array(lists["label"], np.int32) if self._multi_label else lists["label"][0]
        packets, seconds = np.frombuffer(record["packets"], np.int64), np.frombuffer(record["seconds"], np.float64)
        arrays = {"packets": packets.reshape(-1, 4), "seconds": seconds}
        return record | arrays | {"label": label, "mirror": bool(record["mirror"])}


def prepared_of(
    records: Sequence[dict[str, Any]], index: dict[str, Sequence], row: int
) -> tuple[bytes, VideoInfo, PacketIndex, None]:
    """Reads back what a video was made into when it was prepared, as `preparation.prepare` gives it.

    Args:
      records: of the prepared data set.
      index: its columns.
      row: of the video.

    Raises:
      OSError: the disk fails.
      RuntimeError: the record is damaged.
    """
    record = records[row]
    info = VideoInfo(*(index[field][row] for field in VideoInfo._fields))
    return record["video"], info, packet_index_of(record), None


def packet_index_of(record: dict[str, Any]) -> PacketIndex:
    """Reads from a record where the frames are in its video's bytes."""
    fields = {name: record[name] for name in PacketIndex._fields}
    return PacketIndex(**fields | {name: fields[name].decode() for name in ("codec", "tag")})
