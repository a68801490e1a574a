import base64
from dataclasses import replace

import cv2
import numpy as np
import pytest
from untrained import CLIP
from videos import encode, frames_of, video_set

from r3d_jax.data.reading import open_video
from r3d_jax.report.collect import Tested as Found
from r3d_jax.report.pictures import draw_strips, some, worst
from r3d_jax.video.views import read_views


def outcome_of(probabilities, labels):
    probabilities = np.array(probabilities, np.float32)
    count = len(labels)
    logits = np.log(probabilities)
    return Found(np.arange(count), np.array(labels), logits[:, None], logits, probabilities, {})


TESTED = outcome_of(
    [[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.15, 0.75, 0.1], [0.2, 0.2, 0.6]],
    [1, 1, 2, 1, 0, 2],
)


def test_the_worst_are_wrong_with_the_highest_probability():
    assert worst(TESTED, 2) == [2, 4] and worst(TESTED, 9) == [2, 4, 0] and worst(TESTED, 0) == []


def test_some_are_the_worst_and_the_surest_of_each_class_that_is_recognised():
    assert some(TESTED, 4) == [2, 4, 3, 5] and some(TESTED, 2) == [2, 3]
    assert some(TESTED, 9) == [2, 4, 0, 3, 5]


@pytest.fixture
def videos():
    return video_set([encode(frames_of(count)) for count in (8, 9, 10)], [1, 1, 2])


def pictures(strip):
    return [
        cv2.imdecode(np.frombuffer(base64.b64decode(image.partition(",")[2]), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        for image in strip.images
    ]


def test_a_strip_shows_the_middle_frame_of_each_view_and_tells_what_it_is(videos):
    (strip,) = draw_strips([2], replace(CLIP, crops=3), videos, TESTED)
    assert strip[:4] == ("v2", "c", "a", pytest.approx(0.9)) and strip.of_label == pytest.approx(0.05)
    expected = read_views(open_video(videos, 2), CLIP)[:, 2]
    assert len(strip.images) == 3
    for picture, frame in zip(pictures(strip), expected):
        assert picture.shape == frame.shape and np.abs(picture.astype(int) - frame).mean() < 20


def test_no_more_views_are_drawn_than_fit_beside_each_other(videos):
    (strip,) = draw_strips([0], replace(CLIP, views=25), videos, TESTED)
    assert len(strip.images) == 10


def test_maps_of_the_predicted_class_are_painted_over_the_frames(videos):
    asked = []

    def maps(views, classes):
        asked.append((views.shape, classes.tolist()))
        return np.ones((*views.shape[:2], 1, 2, 2), np.float32)

    (plain,), (painted,) = draw_strips([2], CLIP, videos, TESTED), draw_strips([2], CLIP, videos, TESTED, maps)
    assert asked == [((1, 3, 4, 16, 24, 3), [0])]
    apart = np.abs(np.array(pictures(plain)).astype(int) - np.array(pictures(painted)))
    assert apart.mean() > 25


def test_a_video_that_cannot_be_read_any_more_is_left_out(videos):
    videos.records[1]["video"] = b"gone"
    assert [strip.video for strip in draw_strips([0, 1, 2], CLIP, videos, TESTED)] == ["v0", "v2"]
