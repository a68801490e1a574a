from dataclasses import replace

import numpy as np
import pytest
from videos import decode_all, encode, frames_of

from r3d_jax.video.clips import ClipSpec
from r3d_jax.video.transforms import middle_crop, ten_crops, three_crops
from r3d_jax.video.views import crops_of, moments, open_bytes, open_video_file, read_clips, read_views

CLIP = ClipSpec(frames=4, stride=2, train_sizes=(24, 26), crop=20, test_size=32, views=3)
DATA = encode(frames_of(11))


@pytest.fixture
def path(tmp_path):
    (tmp_path / "v.avi").write_bytes(DATA)
    return tmp_path / "v.avi"


def test_views_are_evenly_spaced_clips_of_whole_frames(path):
    clips = read_clips(path, CLIP)
    expected = decode_all(DATA)[[[0, 2, 4, 6], [2, 4, 6, 8], [4, 6, 8, 10]]]
    np.testing.assert_array_equal(clips, expected)
    np.testing.assert_array_equal(read_clips(str(path), CLIP), clips)
    np.testing.assert_array_equal(read_views(open_bytes(DATA), CLIP), clips)
    assert read_clips(path, replace(CLIP, test_size=24)).shape == (3, 4, 24, 36, 3)


def test_crops_of_all_views_come_crop_after_crop(path):
    whole = read_clips(path, CLIP)
    for crops, cut in ((3, three_crops), (10, lambda clips: ten_crops(clips, edge=20))):
        found = read_clips(path, replace(CLIP, crops=crops))
        np.testing.assert_array_equal(found, np.concatenate(list(cut(whole))))
    assert crops_of(whole, None) is whole
    found = read_clips(path, replace(CLIP, test_crop=28))
    np.testing.assert_array_equal(found, middle_crop(whole, edge=28)[0])


def test_a_frame_rate_makes_moments_of_what_is_on_the_screen():
    video = open_bytes(encode(frames_of(4), codec="libx264", container="mp4", ticks=[0, 1, 4, 5]))
    assert moments(video, 0.0).tolist() == [0, 1, 2, 3]
    assert moments(video, 25.0).tolist() == [0, 1, 1, 1, 2, 3]


def test_the_home_folder_may_be_written_as_a_tilde(path, monkeypatch):
    monkeypatch.setenv("HOME", str(path.parent))
    np.testing.assert_array_equal(read_clips("~/v.avi", CLIP), read_clips(path, CLIP))


def test_what_cannot_be_read_says_why(path):
    assert open_video_file(path).info.num_frames == 11
    with pytest.raises(OSError, match="No such file"):
        open_video_file(path.with_name("none.avi"))
    for data, reason in ((b"", "empty"), (b"<html>", "not a video")):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=reason):
            read_clips(path, CLIP)
