import numpy as np
import pytest
from seeded import case_of

from r3d_jax.video import clips
from r3d_jax.video.clips import eval_clips, shown_at_rate, train_clip

ROWS = case_of("protocol")["uniform_clip_starts"]["rows"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['frames']}/{row['frames_per_clip']}")
def test_ten_clips_start_where_the_reference_starts_them(row):
    clips = eval_clips(row["frames"], views=row["clips"], frames=row["frames_per_clip"], stride=1)
    assert clips[:, 0].tolist() == row["starts"]
    np.testing.assert_array_equal(clips, clips[:, :1] + np.arange(row["frames_per_clip"]))


def test_starts_that_are_rounded_are_noticed(monkeypatch):
    monkeypatch.setattr(clips.np, "floor", np.round)
    found = [
        eval_clips(row["frames"], views=10, frames=row["frames_per_clip"], stride=1)[:, 0].tolist() for row in ROWS
    ]
    assert found != [row["starts"] for row in ROWS]


def test_a_training_clip_starts_anywhere_it_fits(rng):
    starts = {int(train_clip(12, rng, frames=4, stride=3)[0]) for _ in range(200)}
    assert starts == {0, 1, 2}


def test_the_stride_is_between_frames(rng):
    np.testing.assert_array_equal(train_clip(10, rng, frames=4, stride=3), [0, 3, 6, 9])
    np.testing.assert_array_equal(eval_clips(11, views=2, frames=4, stride=3), [[0, 3, 6, 9], [1, 4, 7, 10]])


def test_a_short_video_loops(rng):
    np.testing.assert_array_equal(train_clip(3, rng, frames=8, stride=1), [0, 1, 2, 0, 1, 2, 0, 1])
    np.testing.assert_array_equal(eval_clips(1, views=2, frames=3, stride=2), [[0, 0, 0], [0, 0, 0]])


def test_frames_at_a_rate_are_those_on_the_screen():
    seconds = np.array([0.0, 0.04, 0.08, 0.4, 0.44, 1.2])
    np.testing.assert_array_equal(shown_at_rate(seconds, 10.0), [0, 2, 2, 2, 3, 4, 4, 4, 4, 4, 4, 4, 5])
    for rate, expected in ((25.0, np.arange(50)), (12.5, np.arange(0, 50, 2)), (50.0, np.arange(99) // 2)):
        np.testing.assert_array_equal(shown_at_rate(np.arange(50) / 25, rate), expected)
    np.testing.assert_array_equal(shown_at_rate(np.array([0.0]), 10.0), [0])
