import itertools
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from videos import decode_all, encode, frames_of, video_set

from r3d_jax.data.augmentation import mix_pairs, random_erase
from r3d_jax.data.batches import eval_batches as batches_of_views
from r3d_jax.data.batches import read_ahead, train_batches
from r3d_jax.data.sampling import split_rows, spread_over_classes, steps_per_epoch
from r3d_jax.errors import InputError
from r3d_jax.video.transforms import three_crops

TRAIN = {"batch_size": 4, "videos_per_epoch": 0, "seed": 3, "frames": 4, "strides": (1, 1), "frame_rate": 0.0}
TRAIN |= {"sizes": (24, 26), "crop": 20, "flip": 0.5}
TEST = {"views": 3, "frames": 4, "stride": 2, "frame_rate": 0.0, "size": 24}


@pytest.fixture(scope="module")
def videos():
    """Ten videos; the first frame's bytes are unlike in all, three of them are upright."""
    sizes = [(32, 48)] * 7 + [(48, 32)] * 3
    counts = [9, 12, 3, 20, 15, 8, 30, 11, 10, 4]
    files = [encode(frames_of(n, *size)) for n, size in zip(counts, sizes)]
    made = video_set(files, [0, 0, 0, 0, 0, 0, 1, 1, 2, 2])
    return made._replace(index=made.index | {"fold1": np.array(["train"] * 7 + ["none"] * 3)})


def same(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


@pytest.mark.parametrize("workers", [0, 1, 2, 4])
def test_batches_do_not_depend_on_workers_or_on_where_reading_starts(videos, workers):
    dataset = train_batches(videos, np.arange(10), **TRAIN)
    expected = [dataset[k] for k in range(6)]
    for batch, again in zip(expected, read_ahead(dataset, workers=workers)):
        same(batch, again)
    for batch, again in zip(expected[4:], read_ahead(dataset.slice(slice(4, 6)), workers=workers)):
        same(batch, again)


def test_processes_read_the_same_batches_as_this_one(data_dir, demo_videos):
    """In a program of its own, which prints nothing else."""
    script = """
import sys
import numpy as np
from r3d_jax.data.demo import Demo
from r3d_jax.data.batches import read_ahead, train_batches

if __name__ == "__main__":
    options = {"batch_size": 4, "videos_per_epoch": 0, "seed": 0, "frames": 4, "strides": (1, 2)}
    options |= {"sizes": (24, 26), "crop": 20, "flip": 0.5}
    batches = train_batches(Demo(data_dir=sys.argv[1]).load(), np.arange(50), **options).slice(slice(3, 8))
    for k, batch in enumerate(read_ahead(batches, workers=0, processes=2)):
        for name, values in batch.items():
            np.testing.assert_array_equal(values, batches[k][name])
    print("the same", k + 1)
"""
    command = [sys.executable, "-W", "ignore", "-c", script, str(data_dir)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout == "the same 5\n", done.stderr


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


def broken(videos, *rows):
    """The same, but the records of `rows` hold no video."""
    records = [record | {"video": b"gone"} if i in rows else record for i, record in enumerate(videos.records)]
    return videos._replace(records=records)


def test_in_training_a_video_of_its_class_takes_the_place_of_one_that_cannot_be_read(videos):
    sound, damaged = (train_batches(each, np.arange(10), **TRAIN) for each in (videos, broken(videos, 6)))
    batches = [(sound[k], damaged[k]) for k in range(6)]
    # Once in each of two epochs, or again where it fills up an epoch's last batch.
    assert 2 <= sum((after["failed"] == 6).sum() for _, after in batches) <= 4
    for before, after in batches:
        np.testing.assert_array_equal(before["label"], after["label"])
        assert (before["failed"] == -1).all() and (before["reason"] == "").all()
        for i in range(4):
            if after["failed"][i] == 6:
                assert "not a video" in after["reason"][i] or "ends before" in after["reason"][i]
            assert np.array_equal(before["clip"][i], after["clip"][i]) == (after["failed"][i] == -1)
    again = train_batches(broken(videos, 6), np.arange(10), **TRAIN)
    for k, (_, after) in enumerate(batches):
        same(after, again[k])


def test_what_fails_once_is_read_again(videos):
    class Flaky(list):
        tried = 0

        def __getitem__(self, row):
            self.tried += 1
            if self.tried % 2:
                raise OSError("the disk is busy")
            return super().__getitem__(row)

    flaky = videos._replace(records=Flaky(videos.records))
    same(train_batches(videos, np.arange(10), **TRAIN)[0], train_batches(flaky, np.arange(10), **TRAIN)[0])


def test_a_class_of_which_nothing_can_be_read_ends_it(videos):
    dataset = train_batches(broken(videos, 6, 7), np.array([6, 7]), **TRAIN)
    with pytest.raises(InputError, match=r"video v[67]: .*; nor can any of 1 others of its class.*prepare the data"):
        dataset[0]


def test_testing_tells_what_it_cannot_read(videos):
    batches = batches_of_views(broken(videos, 3), np.arange(7), batch_size=4, **TEST)
    rows = {}
    for k in range(len(batches)):
        batch = batches[k]
        rows |= {
            row: (valid, why) for row, valid, why in zip(*(batch[n].tolist() for n in ("row", "valid", "missing")))
        }
    assert not rows[3][0] and "not a video" in rows[3][1]
    assert all(why == "" for row, (_, why) in rows.items() if row != 3)


@pytest.mark.parametrize("mix", [None, partial(mix_pairs, mixup=1.0, cutmix=1.0)])
def test_processes_read_their_shares_of_the_same_batches(videos, mix):
    augment = partial(random_erase, probability=0.5)
    options = TRAIN | {"batch_size": 8, "augment": augment, "mix": mix, "strides": (1, 2)}
    whole, *halves = (
        train_batches(videos, np.arange(10), **options, shard=share) for share in ((0, 1), (0, 2), (1, 2))
    )
    for k in range(4):
        expected = whole[k]
        parts = [half[k] for half in halves]
        same(expected, {name: np.concatenate([part[name] for part in parts]) for name in expected})
    tests = [batches_of_views(videos, np.arange(7), batch_size=4, **TEST, shard=s) for s in ((0, 1), (0, 2), (1, 2))]
    for k in range(len(tests[0])):
        same(tests[0][k], {name: np.concatenate([tests[1][k][name], tests[2][k][name]]) for name in tests[0][k]})


def test_each_process_reads_its_own_share_alone(videos):
    class Counted(list):
        def __getitem__(self, row):
            read.append(row)
            return super().__getitem__(row)

    counted, read = videos._replace(records=Counted(videos.records)), []
    dataset = train_batches(counted, np.arange(10), **TRAIN | {"batch_size": 10}, shard=(0, 2))
    assert len(dataset[0]["label"]) == 5 and len(read) == 5


def test_strides_are_drawn(videos):
    strides = set()
    clip = train_batches(
        videos, np.array([6]), **TRAIN | {"strides": (1, 3), "flip": 0.0, "sizes": (32, 32), "crop": 32}
    )
    for k in range(6):
        for frames in clip[k]["clip"]:
            bright = [int(np.argmax(frame[12, :, 0] > 150)) for frame in frames]
            strides |= {step // 3 for step in np.diff(bright) if step in (3, 6, 9)}
    assert strides == {1, 2, 3}


def test_videos_are_brought_to_one_frame_rate():
    """Six frames, of which the third is on the screen for eight ticks of 25 a second."""
    data = encode(frames_of(6), codec="libx264", container="mp4", ticks=[0, 1, 2, 10, 11, 12])
    videos = video_set([data], [0])
    everything = decode_all(data)
    views = {"views": 1, "frames": 13, "stride": 1, "size": 32}
    clips = batches_of_views(videos, np.array([0]), batch_size=1, frame_rate=25.0, **views)[0]["clips"]
    np.testing.assert_array_equal(clips[0, 0], everything[[0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 4, 5]])
    as_stored = batches_of_views(videos, np.array([0]), batch_size=1, frame_rate=0.0, **views)[0]["clips"]
    np.testing.assert_array_equal(as_stored[0, 0, :6], everything)


def test_crops_are_further_views_and_make_all_sizes_alike(videos):
    batches = batches_of_views(videos, np.arange(10), batch_size=5, **TEST, cut=three_crops)
    assert len(batches) == 2 and batches[0]["clips"].shape == (5, 9, 4, 24, 24, 3)
    whole = batches_of_views(videos, np.array([0]), batch_size=1, **TEST)[0]["clips"][0]
    np.testing.assert_array_equal(batches[0]["clips"][0], three_crops(whole).reshape(9, 4, 24, 24, 3))


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
    views = {"batch_size": 1, "views": 10, "frames": 8, "stride": 1, "frame_rate": 0.0, "size": 128}
    tests = batches_of_views(videos, split_rows(videos, 1, "test"), **views)
    assert len(tests) == 16 and tests[0]["clips"].shape == (1, 10, 8, 128, 170, 3)
    assert len(set(itertools.chain(*(tests[k]["row"] for k in range(3))))) == 3
