"""What every data set's preparation shares; a folder of videos stands for all of them."""

import pickle

import numpy as np
from videos import decode_all, encode, frames_of

from r3d_jax.data.builder import packet_index_of
from r3d_jax.data.video_folder import VideoFolder
from r3d_jax.video.pixels import read_frames
from r3d_jax.video.probe import probe

LONG = encode(frames_of(40, 64, 96), codec="libx264", container="mp4", key_every=40, b_frames=2)
WHOLE = encode(frames_of(40, 64, 96))
CUT = WHOLE[: len(WHOLE) * 8 // 10]


def source_of(tmp_path, **files):
    for name, data in files.items():
        for i in range(2):
            path = tmp_path / "mine" / "run" / f"{name}{i}.avi"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return {"source": str(tmp_path / "mine"), "data_dir": str(tmp_path / "prepared")}


def test_a_record_says_where_its_frames_are(tmp_path):
    videos = VideoFolder(**source_of(tmp_path, long=LONG)).load()
    record = videos.records[0]
    for found, expected in zip(packet_index_of(record), probe(LONG)[1], strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(
        read_frames(record["video"], packet_index_of(record), np.arange(40)), decode_all(LONG)
    )


def test_videos_are_re_encoded_if_asked_and_the_effect_told(tmp_path, capsys):
    where = source_of(tmp_path, long=LONG)
    videos = VideoFolder(**where, short_edge=32, key_every=8).load()
    printed = capsys.readouterr().out
    assert "re-encoded (2 videos measured): a clip of 8 frames decodes in" in printed
    assert videos.index["height"].tolist() == [32, 32] and videos.index["num_frames"].tolist() == [40, 40]
    packet_index = packet_index_of(videos.records[0])
    np.testing.assert_array_equal(np.flatnonzero(packet_index.packets[:, 2]), np.arange(0, 40, 8))
    assert VideoFolder(**where).load().index["height"].tolist() == [64, 64]  # a preparation of its own


def test_videos_that_are_cut_short_are_kept_and_told(tmp_path, capsys):
    videos = VideoFolder(**source_of(tmp_path, long=LONG, cut=CUT)).load()
    kept = probe(CUT)[0].num_frames
    assert len(videos.records) == 4 and kept in videos.index["num_frames"]
    printed = capsys.readouterr().out
    assert f"2 of 4 videos are cut short, and kept:\n  run/cut0.avi: {kept} decode of the 40 it declares" in printed


def test_a_data_set_can_be_handed_to_another_process(tmp_path):
    videos = VideoFolder(**source_of(tmp_path, long=LONG)).load()
    again = pickle.loads(pickle.dumps(videos))
    assert again.records[1]["video"] == videos.records[1]["video"] == LONG
