import numpy as np
import pytest

from r3d_jax.report.statistics import (
    by_class,
    by_views,
    calibration,
    confusion,
    mean_class_accuracy,
    proportion_of_clips,
    rank_of,
)
from r3d_jax.training.metrics import proportion_of


def test_clips_that_are_all_alike_are_worth_one_for_each_video(rng):
    videos = rng.random(200) < 0.7
    alike = proportion_of_clips(np.repeat(videos[:, None], 10, 1))
    np.testing.assert_allclose(alike, proportion_of(int(videos.sum()), 200), atol=1e-3)


def test_clips_that_differ_as_if_drawn_alone_are_worth_what_they_are(rng):
    clips = rng.random((400, 10)) < 0.7
    free, naive = proportion_of_clips(clips), proportion_of(int(clips.sum()), clips.size)
    assert free.value == clips.mean()
    np.testing.assert_allclose(free.high - free.low, naive.high - naive.low, rtol=0.1)


@pytest.mark.parametrize("hits", [np.ones((20, 10), bool), np.zeros((20, 10), bool), np.ones((1, 4), bool)])
def test_clips_that_are_all_right_or_wrong_are_no_surer_than_videos(hits):
    expected = proportion_of(int(hits[:, 0].sum()), len(hits))
    np.testing.assert_allclose(proportion_of_clips(hits), expected)


def test_the_interval_of_clips_covers_the_truth_as_often_as_it_says(rng):
    """1,000 tests of 100 videos of 10 clips, alike within a video: a naive interval covers it half of the time."""
    covered = naive = 0
    for _ in range(1000):
        clips = rng.random((100, 10)) < rng.beta(2, 1, (100, 1))
        low, high = proportion_of_clips(clips)[1:]
        covered += low <= 2 / 3 <= high
        low, high = proportion_of(int(clips.sum()), clips.size)[1:]
        naive += low <= 2 / 3 <= high
    assert 0.93 <= covered / 1000 <= 0.98 and naive / 1000 < 0.85


def test_ranks_and_hits_give_ties_to_the_lower_class():
    scores = np.array([[0.2, 0.5, 0.5], [0.2, 0.5, 0.5], [0.6, 0.3, 0.1]])
    labels = np.array([1, 2, 2])
    assert rank_of(scores, labels).tolist() == [1, 2, 3]
    assert (rank_of(scores, labels) <= 2).tolist() == [True, True, False]


def test_confusions_count_every_video_once_and_classes_add_up():
    labels, predicted = np.array([0, 0, 0, 1, 1]), np.array([0, 1, 1, 1, 0])
    matrix = confusion(predicted, labels, 3)
    assert matrix.tolist() == [[1, 2, 0], [1, 1, 0], [0, 0, 0]]
    a, b, c = by_class(matrix, ("a", "b", "c"))
    assert (a.videos, a.right, a.predicted, a.taken_for, a.taken) == (3, 1, 2, "b", 2)
    assert a.recall.value == 1 / 3 and a.precision == 1 / 2
    assert b.precision == 1 / 3 and (b.taken_for, b.taken) == ("a", 1)
    assert c.videos == 0 and np.isnan(c.recall.value) and np.isnan(c.precision) and c.taken_for == ""


def test_calibration_compares_confidence_with_accuracy():
    probabilities = np.array([[0.95, 0.05], [0.95, 0.05], [0.6, 0.4], [0.4, 0.6], [1.0, 0.0]])
    right = probabilities.argmax(1) == np.array([0, 1, 0, 0, 0])
    bins, error = calibration(probabilities.max(1), right)
    assert [(each.low, each.high, each.videos) for each in bins] == [(0.6, 0.7, 2), (0.9, 1.0, 3)]
    assert bins[0].accuracy == 0.5 and bins[1].accuracy == pytest.approx(2 / 3)
    assert error == pytest.approx(2 / 5 * 0.1 + 3 / 5 * (2.9 / 3 - 2 / 3))


def test_the_worth_of_views_is_a_mean_over_subsets_of_them():
    # One video whose two first views of three say class 0: alone, two of three are right; any two, or all, are right.
    logits = np.array([[2.0, 0.0], [2.0, 0.0], [0.0, 1.0]]).reshape(1, 1, 3, 2)
    points = by_views(logits, np.array([0]), lambda clips: clips.mean(1))
    assert [count for count, _ in points] == [1, 2, 3]
    np.testing.assert_allclose([accuracy for _, accuracy in points], [2 / 3, 1, 1])


def test_each_view_brings_its_crops(rng):
    logits = rng.standard_normal((40, 3, 6, 5))
    labels = rng.integers(0, 5, 40)
    seen = set()

    def average(clips):
        seen.add(clips.shape[1])
        return clips.mean(1)

    points = by_views(logits, labels, average)
    assert seen == {3, 6, 9, 12, 15, 18}
    whole = (logits.reshape(40, -1, 5).mean(1).argmax(1) == labels).mean()
    assert points[-1] == (6, pytest.approx(whole))


def test_each_class_counts_the_same_in_the_mean_class_accuracy():
    labels, predicted = np.array([0, 0, 0, 0, 2, 2]), np.array([0, 0, 0, 1, 2, 0])
    assert mean_class_accuracy(predicted, labels) == pytest.approx((3 / 4 + 1 / 2) / 2)
