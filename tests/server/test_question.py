from dataclasses import replace

import numpy as np
import pytest
from videos import encode, frames_of

from r3d_jax.server import question as module
from r3d_jax.server.question import POINTS, ask
from r3d_jax.video.views import open_bytes, read_views


@pytest.fixture
def video():
    return encode(frames_of(15))


def test_a_question_holds_what_is_tested_and_when_it_is_shown(network, video):
    question = ask(video, network.clip, timeline=False)
    assert (question.views == read_views(open_bytes(video), network.clip)).all() and question.views.shape == (
        3,
        4,
        16,
        24,
        3,
    )
    assert question.frames == 15 and question.seconds == pytest.approx(14 / 25)
    np.testing.assert_allclose(question.view_seconds, [1.5 / 25, 6.5 / 25, 12.5 / 25])
    assert len(question.along) == len(question.along_seconds) == 0


def test_clips_along_the_video_overlap_by_half_and_are_whole_frames(network, video):
    question = ask(video, replace(network.clip, crops=3), timeline=True)
    assert question.views.shape == (9, 4, 16, 16, 3) and question.along.shape == (8, 4, 16, 24, 3)
    assert question.view_seconds.tolist() == 3 * question.view_seconds[:3].tolist()
    assert question.along_seconds[[0, -1]].tolist() == pytest.approx([1.5 / 25, 12.5 / 25])


def test_a_long_video_has_no_more_points_than_a_page_shows(network):
    question = ask(encode(frames_of(100)), network.clip, timeline=True)
    assert len(question.along) == len(question.along_seconds) == POINTS


def test_frames_of_another_rate_are_counted_at_it(network, video):
    assert ask(video, replace(network.clip, frame_rate=12.5), timeline=True).along.shape[0] == 4


def test_oblong_frames_are_refused(network):
    with pytest.raises(ValueError, match="160x32: one edge is more than 4 times the other"):
        ask(encode(frames_of(2, 32, 160)), network.clip, timeline=False)


def test_frames_that_are_too_large_are_refused_before_any_is_read(network, monkeypatch):
    monkeypatch.setattr(module, "open_bytes", None)
    small = encode(frames_of(2), codec="gif", container="gif", pixels="rgb8")
    large = small[:6] + 2 * (8192).to_bytes(2, "little") + small[10:]  # of the screen that its pictures are drawn on
    with pytest.raises(ValueError, match=r"its frames are 8192x8192, more than 16\.8 million pixels; send smaller"):
        ask(large, network.clip, timeline=False)


def test_a_video_of_too_many_pixels_is_refused(network, video, monkeypatch):
    monkeypatch.setattr(module, "VIDEO_PIXELS", 15 * 32 * 48)
    assert ask(video, network.clip, timeline=False).frames == 15
    monkeypatch.setattr(module, "VIDEO_PIXELS", 15 * 32 * 48 - 1)
    with pytest.raises(ValueError, match=r"makes more than 2.3e-05 billion pixels, 48x32 at a time; send a part"):
        ask(video, network.clip, timeline=False)
