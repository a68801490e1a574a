import numpy as np
import pytest
from videos import encode, frames_of, video_set

from r3d_jax.data.sampling import (
    balanced_order,
    epoch_order,
    grouped_by_size,
    grouped_folds,
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


@pytest.mark.parametrize("length", [3, 12, 20, 23])
def test_a_balanced_epoch_shows_each_class_equally_often(length):
    counts = (10, 0, 3, 1)  # no video is of the second class
    shown = balanced_order(0, 0, counts, length)
    classes = np.repeat([0, 2, 3], [10, 3, 1])[shown]
    times = np.bincount(classes, minlength=4)
    assert len(shown) == length and times[1] == 0 and np.ptp(times[[0, 2, 3]]) <= 1
    videos = np.bincount(shown, minlength=14)
    for members in (videos[:10], videos[10:13]):
        assert np.ptp(members) <= 1  # none comes again before all others have
    orders = [tuple(balanced_order(seed, epoch, counts, length)) for seed, epoch in ((0, 0), (0, 1), (1, 0), (0, 2))]
    assert len(set(orders)) == 4
    balanced_order.cache_clear()
    assert tuple(balanced_order(0, 0, counts, length)) == orders[0]


def test_balanced_epochs_show_all_videos_of_a_large_class_in_time_and_mix_the_classes():
    shown = np.stack([balanced_order(0, epoch, (40, 4), 8) for epoch in range(60)])
    assert set(shown.ravel()) == set(range(44))
    assert 0.35 < (shown[:, :4] >= 40).mean() < 0.65


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
