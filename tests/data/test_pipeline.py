import itertools

import numpy as np
import pytest
from videos import encode, frames_of

from r3d_jax.data.builder import VideoSet, split_rows
from r3d_jax.data.pipeline import read_ahead, spread_over_classes, steps_per_epoch, train_batches
from r3d_jax.data.pipeline import test_batches as batches_of_views
from r3d_jax.errors import InputError

TRAIN = {"batch_size": 4, "videos_per_epoch": 0, "seed": 3, "frames": 4, "stride": 1, "sizes": (24, 26), "crop": 20}
TRAIN["flip"] = 0.5
TEST = {"views": 3, "frames": 4, "stride": 2, "size": 24}


@pytest.fixture(scope="module")
def videos():
    """Ten videos; the first frame's bytes are unlike in all, three of them are upright."""
    sizes = [(32, 48)] * 7 + [(48, 32)] * 3
    counts = [9, 12, 3, 20, 15, 8, 30, 11, 10, 4]
    records = [{"video": encode(frames_of(n, *size))} for n, size in zip(counts, sizes)]
    index = {
        "name": np.array([f"v{i}" for i in range(10)]),
        "label": np.array([0, 0, 0, 0, 0, 0, 1, 1, 2, 2]),
        "num_frames": np.array(counts),
        "frame_per_packet": np.ones(10, bool),
        "height": np.array([h for h, _ in sizes]),
        "width": np.array([w for _, w in sizes]),
        "fold1": np.array(["train"] * 7 + ["none"] * 3),
    }
    return VideoSet(records, index, ("a", "b", "c"))


def same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_batches_do_not_depend_on_workers_or_on_where_reading_starts(videos, workers):
    dataset = train_batches(videos, np.arange(10), **TRAIN)
    expected = [dataset[k] for k in range(6)]
    for batch, again in zip(expected, read_ahead(dataset, workers=workers)):
        same(batch, again)
    for batch, again in zip(expected[4:], read_ahead(dataset.slice(slice(4, 6)), workers=workers)):
        same(batch, again)


def test_batches_are_uint8_clips_with_labels(videos):
    batch = train_batches(videos, np.arange(10), **TRAIN)[0]
    assert batch["clip"].shape == (4, 4, 20, 20, 3) and batch["clip"].dtype == np.uint8
    assert batch["label"].shape == (4,) and batch["label"].dtype == np.int32


def numbered(videos):
    """The same videos, each with a label of its own."""
    return videos._replace(index=videos.index | {"label": np.arange(10)})


def test_an_epoch_shows_every_video_in_an_order_of_its_own(videos):
    dataset = train_batches(numbered(videos), np.arange(10), **TRAIN)
    assert steps_per_epoch(10, 4) == 3
    epochs = [np.concatenate([dataset[3 * e + k]["label"] for k in range(3)]).tolist() for e in range(3)]
    for epoch in epochs:
        assert sorted(epoch[:10]) == list(range(10))
        assert epoch[10:] == epoch[:2]  # the last batch is filled up
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_a_shorter_epoch_shows_other_videos_each_time(videos):
    dataset = train_batches(numbered(videos), np.arange(10), **TRAIN | {"videos_per_epoch": 4})
    shown = [frozenset(dataset[k]["label"].tolist()) for k in range(8)]
    assert all(len(labels) == 4 for labels in shown) and len(set(shown)) > 4


def test_another_seed_gives_other_batches(videos):
    first, second = (train_batches(videos, np.arange(10), **TRAIN | {"seed": seed})[0] for seed in (0, 1))
    assert not np.array_equal(first["clip"], second["clip"])


@pytest.mark.parametrize("batch_size", [1, 2, 4, 16])
def test_testing_shows_every_video_once_and_marks_the_padding(videos, batch_size):
    batches = list(read_ahead(batches_of_views(videos, np.arange(10), batch_size=batch_size, **TEST), workers=2))
    assert sorted(np.concatenate([batch["row"][batch["valid"]] for batch in batches])) == list(range(10))
    for batch in batches:
        assert len(batch["label"]) == batch_size and batch["clips"].shape[1:3] == (3, 4)
        assert batch["clips"].dtype == np.uint8 and min(batch["clips"].shape[3:5]) == 24


def test_a_batch_holds_frames_of_one_size(videos):
    batches = batches_of_views(videos, np.arange(10), batch_size=4, **TEST)
    shapes = [batches[k]["clips"].shape[3:5] for k in range(len(batches))]
    assert shapes == [(24, 36), (24, 36), (36, 24)]


def test_a_subset_is_spread_over_the_classes():
    labels = np.repeat([0, 1, 2], [10, 3, 2])
    for count, expected in ((3, [1, 1, 1]), (6, [2, 2, 2]), (9, [4, 3, 2]), (99, [10, 3, 2])):
        chosen = spread_over_classes(labels, np.arange(15), count, seed=5)
        assert np.bincount(labels[chosen]).tolist() == expected
    assert not np.array_equal(*(spread_over_classes(labels, np.arange(15), 3, seed) for seed in (0, 1)))


def test_a_video_that_was_damaged_since_is_named(videos):
    damaged = videos._replace(records=[{"video": b"gone"}] * 10)
    with pytest.raises(InputError, match=r"video v3: not a video.*prepare the data set again"):
        batches_of_views(damaged, np.array([3]), batch_size=1, **TEST)[0]


def test_a_missing_fold_or_an_empty_split_is_an_error(videos):
    with pytest.raises(InputError, match=r"`data.fold` .=2. must be from 1 to 1"):
        split_rows(videos, 2, "train")
    with pytest.raises(InputError, match="fold 1 has no test video"):
        split_rows(videos, 1, "test")


def test_real_videos_make_batches(ucf101_mini, data_dir):
    from r3d_jax.data.ucf101 import UCF101

    videos = UCF101(source=str(ucf101_mini), splits="ucfTrainTestlist_mini", data_dir=str(data_dir)).load()
    rows = split_rows(videos, 1, "train")
    sizes = TRAIN | {"sizes": (128, 160), "crop": 112, "frames": 8}
    batch = train_batches(videos, rows, **sizes)[0]
    assert batch["clip"].shape == (4, 8, 112, 112, 3) and batch["clip"].std() > 10
    views = {"batch_size": 1, "views": 10, "frames": 8, "stride": 1, "size": 128}
    tests = batches_of_views(videos, split_rows(videos, 1, "test"), **views)
    assert len(tests) == 16 and tests[0]["clips"].shape == (1, 10, 8, 128, 170, 3)
    assert len(set(itertools.chain(*(tests[k]["row"] for k in range(3))))) == 3
