from functools import partial

import numpy as np
import pytest
from videos import encode, frames_of, video_set

from r3d_jax.data.sampling import (
    epoch_order,
    grouped_by_size,
    grouped_folds,
    names_of,
    place_of,
    split_rows,
    spread_over_classes,
    steps_per_epoch,
)
from r3d_jax.errors import InputError


@pytest.fixture(scope="module")
def videos():
    """Three videos that lie on their side and two upright ones; one of fold 1's is unused, and none is for testing."""
    files = [encode(frames_of(2, *size)) for size in ((32, 48), (48, 32), (32, 48), (32, 48), (48, 32))]
    made = video_set(files, [0, 0, 1, 1, 2])
    folds = {"fold1": np.array(["train"] * 4 + ["none"]), "fold2": np.array(["test"] + ["train"] * 4)}
    return made._replace(index=made.index | folds)


def test_a_fold_says_which_videos_are_for_what(videos):
    assert split_rows(videos, 1, "train").tolist() == [0, 1, 2, 3]
    assert (split_rows(videos, 2, "train").tolist(), split_rows(videos, 2, "test").tolist()) == ([1, 2, 3, 4], [0])


def test_a_missing_fold_or_an_empty_split_is_an_error(videos):
    with pytest.raises(InputError, match=r"`fold` .=3. must be from 1 to 2"):
        split_rows(videos, 3, "train")
    with pytest.raises(InputError, match="fold 1 has no test video"):
        split_rows(videos, 1, "test")
    with pytest.raises(InputError, match=r"`split` .='none'. must be train or test"):
        split_rows(videos, 1, "none")


def test_an_epoch_has_as_many_steps_as_show_every_video():
    assert [steps_per_epoch(count, 4) for count in (1, 4, 10, 12, 13)] == [1, 1, 3, 3, 4]


def test_every_epoch_and_every_seed_has_an_order_of_its_own():
    orders = [epoch_order(seed, epoch, 9).tolist() for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    assert all(sorted(order) == list(range(9)) for order in orders) and len(set(map(tuple, orders))) == 3
    epoch_order.cache_clear()
    assert [epoch_order(seed, epoch, 9).tolist() for seed, epoch in ((0, 0), (0, 1), (1, 0))] == orders


def test_a_subset_is_spread_over_the_classes():
    labels = np.repeat([0, 1, 2], [10, 3, 2])
    for count, expected in ((3, [1, 1, 1]), (6, [2, 2, 2]), (9, [4, 3, 2]), (99, [10, 3, 2])):
        chosen = spread_over_classes(labels, np.arange(15), count, seed=5)
        assert np.bincount(labels[chosen]).tolist() == expected and sorted(chosen.tolist()) == chosen.tolist()
    assert not np.array_equal(*(spread_over_classes(labels, np.arange(15), 3, seed) for seed in (0, 1)))


def test_videos_of_one_frame_size_stand_together_in_whole_batches(videos):
    groups = grouped_by_size(videos, np.arange(5), 2, 24)
    assert groups == [(0, True), (2, True), (3, True), (3, False), (1, True), (4, True)]
    assert grouped_by_size(videos, np.arange(5), 3, None) == [(i, True) for i in range(5)] + [(4, False)]


def test_folds_hold_whole_groups_and_about_as_many_of_every_class(rng):
    groups, labels = np.repeat(np.arange(30), 4), np.tile(np.repeat([0, 1, 2], 4), 10)
    shuffled = rng.permutation(120)
    folds = grouped_folds(groups[shuffled], labels[shuffled], 5, seed=3)
    for group in range(30):
        assert len(set(folds[groups[shuffled] == group])) == 1
    counts = [np.bincount(labels[shuffled][folds == fold], minlength=3).tolist() for fold in range(5)]
    assert counts == [[8, 8, 8]] * 5
    assert (folds == grouped_folds(groups[shuffled], labels[shuffled], 5, seed=3)).all()
    assert (folds != grouped_folds(groups[shuffled], labels[shuffled], 5, seed=4)).any()


def test_groups_of_several_classes_and_sizes_are_dealt_out_too():
    groups = np.repeat([7, 7, 3, 5, 9], [3, 3, 6, 1, 2])
    labels = np.repeat([0, 1, 0, 1, 1], [3, 3, 6, 1, 2])
    folds = grouped_folds(groups, labels, 2, seed=0)
    assert folds[0] == folds[5] != folds[6]  # the two large groups


def test_a_clips_place_and_its_videos_name():
    rows = np.array([3, 5, 8])
    seen = partial(place_of, rows=rows, seed=2, per_epoch=3, length=4)  # batches of two: the first of an epoch again
    orders = [rows[epoch_order(2, epoch, 3)].tolist() for epoch in (0, 1)]
    expected = [(epoch, place, orders[epoch][place % 3]) for epoch in (0, 1) for place in range(4)]
    assert [seen(clip) for clip in range(8)] == expected
    names = np.array([f"v{row}" for row in range(9)])
    assert names_of(3, names=names, batch_size=2, seen=seen) == [f"v{row}" for _, _, row in expected[6:]]
