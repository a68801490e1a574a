from dataclasses import replace

import numpy as np
import pytest
from videos import encode, frames_of

from r3d_jax.server.response import POINTS, ask, respond, strip
from r3d_jax.video.views import open_bytes, read_views


@pytest.fixture
def video():
    return open_bytes(encode(frames_of(15)))


def test_a_question_holds_what_is_tested_and_when_it_is_shown(network, video):
    question = ask(video, network, timeline=False)
    assert (question.views == read_views(video, network.clip)).all() and question.views.shape == (3, 4, 16, 24, 3)
    assert question.frames == 15 and question.seconds == pytest.approx(14 / 25)
    np.testing.assert_allclose(question.view_seconds, [1.5 / 25, 6.5 / 25, 12.5 / 25])
    assert len(question.along) == len(question.along_seconds) == 0


def test_clips_along_the_video_overlap_by_half_and_are_whole_frames(network, video):
    cropped = network._replace(clip=replace(network.clip, crops=3))
    question = ask(video, cropped, timeline=True)
    assert question.views.shape == (9, 4, 16, 16, 3) and question.along.shape == (8, 4, 16, 24, 3)
    assert question.view_seconds.tolist() == 3 * question.view_seconds[:3].tolist()
    assert question.along_seconds[[0, -1]].tolist() == pytest.approx([1.5 / 25, 12.5 / 25])


def test_a_long_video_has_no_more_points_than_a_page_shows(network):
    question = ask(open_bytes(encode(frames_of(100))), network, timeline=True)
    assert len(question.along) == len(question.along_seconds) == POINTS


def test_frames_of_another_rate_are_counted_at_it(network, video):
    slow = network._replace(clip=replace(network.clip, frame_rate=12.5))
    assert ask(video, slow, timeline=True).along.shape[0] == 4


def test_oblong_frames_are_refused(network):
    with pytest.raises(ValueError, match="160x32: one edge is more than 4 times the other"):
        ask(open_bytes(encode(frames_of(2, 32, 160))), network, timeline=False)


def test_a_response_gives_the_likeliest_classes_and_their_course(network, video):
    question = ask(video, network, timeline=True)
    logits = np.zeros((11, 3), np.float32)
    logits[:3, 1], logits[3:, 1], logits[-1] = np.log(2), np.log(2), [0, 0, np.log(4)]
    response = respond(network, question, logits, top=2)
    assert response["frames"] == 15 and response["seconds"] == 0.56
    assert response["top"] == [{"class": "run", "probability": 0.5}, {"class": "ride", "probability": 0.25}]
    course = response["timeline"]
    assert course["seconds"] == question.along_seconds.round(3).tolist()
    assert {each["class"]: each["probabilities"] for each in course["classes"]} == {
        "swim": pytest.approx([0.25] * 7 + [4 / 6], abs=1e-6),
        "run": pytest.approx([0.5] * 7 + [1 / 6], abs=1e-6),
    }
    assert "timeline" not in respond(network, ask(video, network, timeline=False), logits[:3], top=2)


def test_a_strip_shows_each_view_at_its_time(network, video, rng):
    question = ask(video, network, timeline=False)
    pictures = strip(question, rng.random((3, 2, 2, 2), np.float32), "run")
    assert pictures["class"] == "run"
    assert [each["seconds"] for each in pictures["frames"]] == [0.06, 0.26, 0.5]
    assert all(each["image"].startswith("data:image/jpeg;base64,/9j/") for each in pictures["frames"])
