import numpy as np
import pytest

from r3d_jax.training.average_precision import average_precision, average_precisions, mean_average_precision


def by_thresholds(scores, positive):
    """The definition, one threshold after the other: sum of (R_n - R_{n-1}) P_n."""
    total, before = 0.0, 0.0
    for threshold in sorted(set(scores.tolist()), reverse=True):
        chosen = scores >= threshold
        right = (chosen & positive).sum()
        recall = right / positive.sum()
        total += (recall - before) * right / chosen.sum()
        before = recall
    return total


@pytest.mark.parametrize("levels", [3, 1000], ids=["many ties", "hardly any"])
def test_it_is_the_sum_over_the_distinct_scores(rng, levels):
    for _ in range(20):
        scores, positive = rng.integers(0, levels, 40) / levels, rng.random(40) < 0.3
        found = average_precision(scores, positive)
        assert found == pytest.approx(by_thresholds(scores, positive), abs=1e-12)
        order = rng.permutation(40)  # which does not count
        assert average_precision(scores[order], positive[order]) == pytest.approx(found, abs=1e-12)


def test_known_numbers():
    """The first is the example of scikit-learn's documentation."""
    assert average_precision(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])) == pytest.approx(
        0.8333333, abs=1e-6
    )
    assert average_precision(np.array([3.0, 2.0, 1.0]), np.array([True, True, False])) == 1
    assert average_precision(np.zeros(4), np.array([True, False, False, False])) == 0.25  # all at once: the share


def test_the_mean_is_over_the_classes_that_a_video_is_of():
    labels = np.array([[1, 0, 0], [0, 0, 1], [0, 0, 1]], np.uint8)
    scores = np.array([[2.0, 9.0, 3.0], [1.0, 9.0, 2.0], [0.0, 9.0, 1.0]])
    each = average_precisions(scores, labels)
    assert each[0] == 1 and np.isnan(each[1]) and each[2] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert mean_average_precision(scores, labels) == pytest.approx((each[0] + each[2]) / 2)
    assert np.isnan(mean_average_precision(scores, 0 * labels))
