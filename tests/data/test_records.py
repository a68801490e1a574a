import numpy as np
import pytest
from array_record.python.array_record_module import ArrayRecordReader
from tensorflow_datasets.core.file_adapters import FileFormat
from tensorflow_datasets.core.writer import ExampleWriter
from videos import encode, frames_of

from r3d_jax.data.records import MEMBERSHIP, OrderedWriter, Records, features_of, packet_index_of
from r3d_jax.data.video_folder import VideoFolder
from r3d_jax.video.probe import VideoInfo, probe


def test_a_record_has_a_field_for_all_that_is_known_and_one_for_each_fold():
    _, packet_index = probe(encode(frames_of(3)))
    columns = {"video", "name", "label", "group", *VideoInfo._fields, *packet_index._fields}
    for folds in (1, 3):
        features = features_of(folds)
        assert set(features) == columns | {f"fold{fold}" for fold in range(1, folds + 1)}
        assert features["fold1"].names == list(MEMBERSHIP) == ["none", "train", "test"]


def test_a_packet_index_is_read_back_from_a_record():
    _, packet_index = probe(encode(frames_of(3)))
    stored = packet_index._asdict() | {"codec": packet_index.codec.encode(), "tag": packet_index.tag.encode()}
    for found, expected in zip(packet_index_of(stored | {"label": 3}), packet_index, strict=True):
        assert type(found) is type(expected)
        np.testing.assert_array_equal(found, expected)


def field(name, value):
    """A map's entry in a tf.train.Example: the name, and a feature of one list with one short text in it."""
    for number in (1, 1, 2):  # of the text in its list, of the list in its feature, of the feature in the entry
        value = bytes([8 * number + 2, len(value)]) + value
    name = bytes([10, len(name)]) + name
    entry = name + value
    return bytes([10, len(entry)]) + entry


def test_the_fields_of_a_record_are_in_order_whatever_chance_has_made_of_it(tmp_path):
    a, b = field(b"a", b"one"), field(b"b", b"two")
    records = [bytes([10, len(a + b)]) + first + second for first, second in ((a, b), (b, a))]
    path = tmp_path / "records.array_record"
    OrderedWriter(FileFormat.ARRAY_RECORD).write(path, list(enumerate(records)))
    assert records[0] != records[1]
    assert ArrayRecordReader(str(path)).read_all() == [records[0], records[0]]


def test_records_are_not_compressed_once_more(tmp_path):
    """Which would double the time of reading them."""
    path = tmp_path / "records.array_record"
    text = b"the same " * 12
    record = field(b"video", text)
    OrderedWriter(FileFormat.ARRAY_RECORD).write(path, [(0, bytes([10, len(record)]) + record)] * 2)
    assert path.read_bytes().count(text) == 2
    assert "group_size:1," in ArrayRecordReader(str(path)).writer_options_string()  # each is read by itself


def test_records_of_an_earlier_version_which_compressed_them_are_read(tmp_path, monkeypatch):
    for name in "ab":
        (tmp_path / "source" / name).mkdir(parents=True)
        for number in range(2):
            (tmp_path / "source" / name / f"{number}.avi").write_bytes(encode(frames_of(3)))
    where = {"source": str(tmp_path / "source"), "data_dir": str(tmp_path / "prepared")}
    with monkeypatch.context() as patch:
        patch.setattr(OrderedWriter, "write", ExampleWriter.write)
        VideoFolder(**where).load()
    videos = VideoFolder(**where).load()
    (path,) = (tmp_path / "prepared").rglob("*.array_record*")
    assert ",zstd" in ArrayRecordReader(str(path)).writer_options_string()
    assert [record["video"] for record in videos.records] == [encode(frames_of(3))] * 4


@pytest.mark.parametrize("label", [3, [], [0, 2]])
def test_a_record_is_read_as_tfds_reads_it(label):
    data = encode(frames_of(3)) + b"\0"
    info, packet_index = probe(data)
    several = isinstance(label, list)
    features = features_of(2, several)
    columns = {"name": "a/b.avi", "label": np.array(label, np.int32), "group": -1, "fold1": "train", "fold2": "none"}
    given = {**columns, **info._asdict(), **packet_index._asdict(), "video": data}
    serialised = features.serialize_example(given)
    records = Records([serialised] * 2, several)
    expected = features.deserialize_example_np(serialised)
    assert len(records) == 2 and records[np.int64(1)].keys() == records[0].keys()
    assert records[0].keys() == expected.keys() and records[0]["video"] == data
    for name, value in expected.items():
        assert type(records[0][name]) is type(value)
        np.testing.assert_array_equal(records[0][name], value)
        assert getattr(records[0][name], "dtype", None) == getattr(value, "dtype", None)
    with pytest.raises(IndexError, match="no record 2 among 2"):
        records[2]
