import numpy as np
import pytest

from r3d_jax.data.sampling import balanced_order, epoch_order
from r3d_jax.data.training_order import names_of, training_order
from r3d_jax.errors import InputError

ROWS = np.array([3, 5, 6, 8, 9, 11, 12])
LABELS = np.array([1, 0, 0, 1, 0, 0, 0])


def rows_of(steps, stands, batch_size, epoch=0):
    """[batch, clip] of an epoch."""
    return np.array([[stands(epoch * steps + k, i)[0] for i in range(batch_size)] for k in range(steps)])


def test_an_epoch_shows_each_video_once_in_its_own_order_and_is_filled_up():
    steps, stands = training_order(ROWS, LABELS, seed=4, batch_size=3)
    assert steps == 3
    for epoch in (0, 5):
        expected = ROWS[epoch_order(4, epoch, 7)].tolist()
        assert rows_of(steps, stands, 3, epoch).ravel().tolist() == expected + expected[:2]
    assert stands(3 * 5 + 2, 1)[1] == [4, 5, 7]


@pytest.mark.parametrize("batch_size, repeats", [(4, 2), (6, 2), (6, 3), (4, 4)])
def test_each_video_stands_so_often_in_a_batch_with_draws_of_its_own(batch_size, repeats):
    steps, stands = training_order(ROWS, LABELS, seed=4, batch_size=batch_size, repeats=repeats)
    together = batch_size // repeats
    assert steps == -(-7 // together)
    rows = rows_of(steps, stands, batch_size)
    for batch in rows:
        assert all(np.array_equal(part, batch[:together]) for part in batch.reshape(repeats, together))
        assert len(set(batch)) == together
        if together > 1:  # pairs are mixed
            assert (batch[0::2] != batch[1::2]).all()
    np.testing.assert_array_equal(rows[:, :together].ravel()[:7], ROWS[epoch_order(4, 0, 7)])
    seeds = {tuple(stands(k, i)[1]) for k in range(2 * steps) for i in range(batch_size)}
    assert len(seeds) == 2 * steps * batch_size


def test_a_balanced_epoch_is_as_long_and_shows_each_class_as_often():
    steps, stands = training_order(ROWS, LABELS, seed=4, batch_size=3, balanced=True, videos_per_epoch=6)
    assert steps == 2
    rows = rows_of(steps, stands, 3, epoch=2)
    by_class = np.array([5, 6, 9, 11, 12, 3, 8])
    np.testing.assert_array_equal(rows.ravel(), by_class[balanced_order(4, 2, (5, 2), 6)])
    assert sorted(LABELS[np.searchsorted(ROWS, rows.ravel())]) == [0, 0, 0, 1, 1, 1]


def test_balanced_and_repeated_go_together():
    steps, stands = training_order(ROWS, LABELS, seed=4, batch_size=4, balanced=True, repeats=2, videos_per_epoch=8)
    rows = rows_of(steps, stands, 4)
    assert steps == 4 and np.array_equal(rows[:, :2], rows[:, 2:])
    assert np.bincount(LABELS[np.searchsorted(ROWS, rows.ravel())]).tolist() == [8, 8]


def test_repeats_that_do_not_divide_the_batch_are_refused():
    for repeats in (0, 3):
        with pytest.raises(InputError, match=rf"`repeats` .={repeats}. must be at least 1, and divide `batch"):
            training_order(ROWS, LABELS, seed=4, batch_size=4, repeats=repeats)


def test_the_names_of_a_batch_are_those_of_its_videos_in_their_order():
    steps, stands = training_order(ROWS, LABELS, seed=4, batch_size=4, repeats=2)
    names = np.array([f"v{row}" for row in range(13)])
    found = [names_of(k, names=names, size=4, stands=stands) for k in range(steps)]
    assert found == [[f"v{row}" for row in batch] for batch in rows_of(steps, stands, 4)]
