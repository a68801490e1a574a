import pytest

from r3d_jax.training.stopping import best_test, has_ended


def rows(*tests):
    """A metrics log: a training row, and one for each (accuracy, loss) of a test, ten steps apart."""
    train = {"step": 1, "kind": "train", "loss": 0.0, "accuracy": 1.0}
    found = [{"step": 10 * i, "kind": "eval", "video_top1": a, "loss": b} for i, (a, b) in enumerate(tests, start=1)]
    return [train, *found]


@pytest.mark.parametrize(
    "tests, ended",
    [
        ([], False),
        ([(0.5, 1.0), (0.6, 0.9)], False),
        ([(0.6, 0.9), (0.6, 0.9), (0.5, 1.0)], True),  # as good as before is no better
        ([(0.6, 0.9), (0.5, 0.8), (0.5, 1.0)], False),  # the loss has fallen in between
        ([(0.6, 0.9), (0.7, 1.8), (0.5, 1.0)], False),  # so has the accuracy risen
        ([(0.6, 0.9), (0.5, 1.0), (0.7, 1.0), (0.6, 1.0), (0.6, 1.0)], True),
    ],
)
def test_a_run_ends_after_as_many_tests_in_a_row_as_bring_nothing(tests, ended):
    assert has_ended(rows(*tests), patience=2) is ended
    assert has_ended(rows(*tests), patience=0) is False


def test_tests_of_a_head_that_is_trained_alone_end_nothing():
    tests = [(0.6, 0.9)] + [(0.5, 1.0)] * 3
    assert has_ended(rows(*tests), patience=2, after=20) and not has_ended(rows(*tests), patience=2, after=30)


def test_the_best_test_is_the_first_of_the_highest_accuracy():
    assert best_test(rows((0.5, 0.1), (0.7, 0.9), (0.7, 0.2)))["step"] == 20
    assert best_test(rows()) is None


def test_of_several_labels_the_mean_average_precision_counts():
    precise = [{"step": i, "kind": "eval", "map": a, "loss": 1.0} for i, a in enumerate((0.5, 0.7, 0.6, 0.6), start=1)]
    assert best_test(precise)["step"] == 2 and has_ended(precise, patience=2) and not has_ended(precise, patience=3)
