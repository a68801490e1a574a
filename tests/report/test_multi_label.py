"""The numbers of a test on videos of several labels, against their definitions."""

import numpy as np
import pytest

from r3d_jax.report.multi_label import best_threshold, by_label, losses_of, numbers_of, surest, worst


def test_the_numbers_are_of_all_decisions_together(tested):
    labels, logits = tested.labels, tested.logits
    numbers = numbers_of(tested)
    # At one half, five are taken, of which three are right, of the four there are.
    assert (numbers["precision"], numbers["recall"]) == (3 / 5, 3 / 4)
    assert numbers["f1"] == pytest.approx(2 * 0.6 * 0.75 / 1.35)
    assert numbers["map"] == pytest.approx((1 + (1 + 2 / 3) / 2) / 2) and numbers["classes"] == 2
    losses = np.where(labels, np.log1p(np.exp(-logits)), np.log1p(np.exp(logits))).mean(1)
    assert numbers["loss"] == pytest.approx(losses.mean(), rel=1e-6)
    np.testing.assert_allclose(losses_of(tested), losses, rtol=1e-5)
    assert sum(each.videos for each in numbers["bins"]) == 12


def test_each_class_has_its_own(tested):
    first, second, last = by_label(tested, ("a", "b", "c"))
    assert (first.videos, first.found, first.predicted, first.precision) == (2, 2, 2, 1)
    assert (second.videos, second.found, second.predicted, second.precision) == (2, 1, 2, 0.5)
    assert second.recall.value == 0.5 and second.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert last.videos == 0 and last.predicted == 1 and last.precision == 0
    assert np.isnan([last.average_precision, last.recall.value, last.best_threshold]).all()


def test_the_best_threshold_is_the_one_of_the_highest_f1(rng):
    for _ in range(10):
        probabilities, positive = rng.integers(0, 12, 30) / 12, rng.random(30) < 0.4

        def f1(threshold, probabilities=probabilities, positive=positive):
            taken = probabilities >= threshold
            return 2 * (taken & positive).sum() / (taken.sum() + positive.sum())

        threshold, best = best_threshold(probabilities, positive)
        assert best == pytest.approx(f1(threshold)) == pytest.approx(max(map(f1, probabilities)))


def test_the_worst_have_the_highest_loss_and_the_surest_are_of_each_class(tested):
    order = np.argsort(-losses_of(tested)).tolist()
    assert worst(tested, 2) == order[:2] and worst(tested, 9) == order
    assert surest(tested, 5) == [(0, 0), (1, 1)] and surest(tested, 1) == [(0, 0)]
