import numpy as np
from videos import encode, frames_of

from r3d_jax.data.records import MEMBERSHIP, features_of, packet_index_of
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
