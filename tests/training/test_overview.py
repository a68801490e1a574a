import jax
import numpy as np
import pytest

from r3d_jax.config import Config, EvalConfig
from r3d_jax.data.builder import VideoSet
from r3d_jax.errors import InputError
from r3d_jax.training.overview import baseline, overview
from r3d_jax.video.clips import ClipSpec


@pytest.fixture
def videos():
    """Of the classes a and b, eight and two for training and three and one for testing, and one for neither."""
    index = {
        "label": np.repeat([0, 1, 0, 1, 0], [8, 2, 3, 1, 1]),
        "fold1": np.repeat(["train", "test", "none"], [10, 4, 1]),
        "frame_rate": np.array([25.0] * 13 + [30.0, 100.0], np.float32),
    }
    return VideoSet([], index, ("a", "b"))


def test_what_is_trained_and_tested_on_is_told_in_a_few_lines(videos):
    *_, last = lines = overview(Config(), videos, 2, jax.devices())
    assert lines[:5] == [
        "class      training  test",
        "a                 8     3",
        "b                 2     1",
        "2 classes        10     4",
        "always answering a, the largest class, is right for 75.00% of the test videos",
    ]
    assert lines[5].startswith("classes are uneven, 4 to 1") and "from 25 to 30 a second" in lines[6]
    assert len(lines) == 8
    assert last == "ucf101 fold 1: 10 training and 4 test videos, 2 classes; 2 steps an epoch on 2 cpu device(s)"
    one_rate = overview(Config(clip=ClipSpec(frame_rate=25.0)), videos, 2, jax.devices())
    assert one_rate == lines[:6] + lines[7:]


def test_the_accuracy_of_the_largest_class_is_that_on_the_videos_that_are_tested(videos):
    assert baseline(Config(), videos) == 0.75
    assert baseline(Config(eval=EvalConfig(videos=2)), videos) == 0.5  # one of each class


def test_a_fold_without_a_video_is_refused(videos):
    videos.index["fold1"][:] = "train"
    with pytest.raises(InputError, match="fold 1 has no test video"):
        overview(Config(), videos, 2, jax.devices())
