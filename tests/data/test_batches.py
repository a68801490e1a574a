import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from videos import decode_all, encode, frames_of, video_set

from r3d_jax.data.augmentation import mix_pairs, random_erase
from r3d_jax.data.batches import eval_batches, read_ahead, train_batches
from r3d_jax.data.demo import Demo
from r3d_jax.data.reading import reason_of_row
from r3d_jax.data.sampling import split_rows
from r3d_jax.errors import InputError
from r3d_jax.video.clips import ClipSpec
from r3d_jax.video.transforms import three_crops

ROOT = Path(__file__).parents[2]
CLIP = ClipSpec(frames=4, train_sizes=(24, 26), crop=20)
VIEWS = replace(CLIP, views=3, stride=2, test_size=24)
TRAIN = {"batch_size": 4, "seed": 3}


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
    batches = train_batches(videos, np.arange(10), CLIP, **TRAIN)
    expected = [batches[k] for k in range(6)]
    read = list(read_ahead(batches, stop=6, workers=workers))
    assert len(read) == 6
    for batch, again in zip(expected, read):
        same(batch, again)
    for batch, again in zip(expected[4:], read_ahead(batches, start=4, stop=6, workers=workers), strict=True):
        same(batch, again)


def test_the_videos_of_a_batch_are_those_whose_clips_it_has(videos):
    batches = train_batches(videos, np.arange(10), CLIP, **TRAIN)
    labels = dict(zip(videos.index["name"].tolist(), videos.index["label"].tolist()))
    for k in range(7):
        assert [labels[name] for name in batches.videos_of(k)] == batches[k]["label"].tolist()
    assert sorted({name for k in range(3) for name in batches.videos_of(k)}) == sorted(labels)  # an epoch
    parts = [train_batches(videos, np.arange(10), CLIP, shard=(i, 2), **TRAIN) for i in range(2)]
    assert all(part.videos_of(5) == batches.videos_of(5) for part in parts)


@pytest.mark.slow
def test_processes_read_the_same_batches_as_this_one(tmp_path):
    """In a program of its own, which prints nothing else and leaves no shared memory behind."""
    script = """
import sys
from pathlib import Path
import numpy as np
from r3d_jax import ClipSpec
from r3d_jax.data import Demo, read_ahead, train_batches

if __name__ == "__main__":
    clip = ClipSpec(frames=4, train_sizes=(24, 26), crop=20)
    videos = Demo(data_dir=sys.argv[1], groups=5, videos_per_group=1).load()
    batches, kept = train_batches(videos, "train", clip, batch_size=4, strides=(1, 2)), []
    for k, batch in enumerate(read_ahead(batches, start=3, stop=8, workers=0, processes=2)):
        for name, values in batch.items():
            np.testing.assert_array_equal(values, batches[3 + k][name])
            if shared := getattr(values, "shm", None):  # its name is gone, though the memory is there
                assert not any(Path("/dev/shm").glob(shared.name.strip("/"))) and not values._unlink_on_del
                kept.append(values)
    assert kept
    print("the same", k + 1)
"""
    Demo(data_dir=tmp_path, groups=5, videos_per_group=1).load()
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout == "the same 5\n", done.stderr
    assert "leaked" not in done.stderr


def test_batches_are_uint8_clips_with_labels(videos):
    batch = train_batches(videos, np.arange(10), CLIP, **TRAIN)[0]
    assert batch["clip"].shape == (4, 4, 20, 20, 3) and batch["clip"].dtype == np.uint8
    assert batch["label"].shape == (4,) and batch["label"].dtype == np.int32


def test_a_batch_holds_arrays_alone(videos):
    for batches in (train_batches(videos, np.arange(10), CLIP), eval_batches(videos, np.arange(10), VIEWS)):
        assert all(isinstance(value, np.ndarray) and value.dtype.kind in "iub" for value in batches[0].values())


def numbered(videos):
    """The same videos, each with a label of its own."""
    return videos._replace(index=videos.index | {"label": np.arange(10)})


def test_an_epoch_shows_every_video_in_an_order_of_its_own(videos):
    batches = train_batches(numbered(videos), np.arange(10), CLIP, **TRAIN)
    assert len(batches) == 3
    epochs = [np.concatenate([batches[3 * e + k]["label"] for k in range(3)]).tolist() for e in range(3)]
    for epoch in epochs:
        assert sorted(epoch[:10]) == list(range(10))
        assert epoch[10:] == epoch[:2]  # the last batch is filled up
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert np.concatenate([batch["label"] for batch in batches]).tolist() == epochs[0]  # iterating ends with an epoch


def test_a_number_without_a_batch_is_an_index_error(videos):
    train = train_batches(videos, np.arange(10), CLIP, **TRAIN)
    tests = eval_batches(videos, np.arange(10), VIEWS, batch_size=4)
    assert len(tests) == 3 and len(list(tests)) == 3
    assert train[len(train)]["clip"].shape == train[0]["clip"].shape  # the next epoch's first
    for batches, k in ((tests, 3), (tests, -1), (train, -1), (train, 2**31)):
        with pytest.raises(IndexError, match=rf"no batch {k}; there are \d+"):
            batches[k]


def test_batches_know_their_videos(videos):
    train, tests = train_batches(videos, "train", CLIP), eval_batches(videos, np.arange(5), VIEWS, count=3)
    assert (train.num_videos, tests.num_videos) == (7, 5) and len(tests) == 3
    for batches in (train, tests):
        np.testing.assert_array_equal(batches.names, videos.index["name"])


def test_a_split_is_the_rows_of_its_fold(videos):
    same(train_batches(videos, "train", CLIP)[0], train_batches(videos, split_rows(videos, 1, "train"), CLIP)[0])
    for load in (train_batches, eval_batches):
        with pytest.raises(InputError, match="fold 1 has no test video"):
            load(videos, "test", CLIP)
        with pytest.raises(InputError, match=r"`fold` .=2. must be from 1 to 1"):
            load(videos, "train", CLIP, fold=2)


def test_a_clip_that_makes_no_sense_is_refused(videos):
    for load in (train_batches, eval_batches):
        with pytest.raises(InputError, match=r"`clip.train_sizes` .* must rise from at least `clip.crop` \(=30\)"):
            load(videos, "train", replace(CLIP, crop=30))
    for batch_size, shard in ((0, (0, 1)), (3, (1, 2))):
        for load in (train_batches, eval_batches):
            with pytest.raises(InputError, match=rf"`batch_size` .={batch_size}. must be .* divisible by {shard[1]}"):
                load(videos, "train", CLIP, batch_size=batch_size, shard=shard)


def test_a_shorter_epoch_shows_other_videos_each_time(videos):
    batches = train_batches(numbered(videos), np.arange(10), CLIP, **TRAIN, videos_per_epoch=4)
    shown = [frozenset(batches[k]["label"].tolist()) for k in range(8)]
    assert all(len(labels) == 4 for labels in shown) and len(set(shown)) > 4


def test_repeated_balanced_resized_crops_are_the_same_for_any_process(videos):
    options = {"batch_size": 4, "repeats": 2, "balanced": True, "area": (0.1, 1.0)}
    whole = train_batches(videos, np.arange(10), CLIP, **options)
    parts = [train_batches(videos, np.arange(10), CLIP, shard=(i, 2), **options) for i in range(2)]
    assert len(whole) == len(parts[0]) == 5
    labels = []
    for k in (0, 3):
        batch, halves = whole[k], [part[k] for part in parts]
        same(batch, {name: np.concatenate([half[name] for half in halves]) for name in batch})
        np.testing.assert_array_equal(batch["label"][:2], batch["label"][2:])
        assert not np.array_equal(batch["clip"][:2], batch["clip"][2:])  # other draws
    labels = np.concatenate([whole[k]["label"][:2] for k in range(5)])
    assert sorted(np.bincount(labels)) == [3, 3, 4]


def test_another_seed_gives_other_batches(videos):
    first, second = (train_batches(videos, np.arange(10), CLIP, batch_size=4, seed=seed)[0] for seed in (0, 1))
    assert not np.array_equal(first["clip"], second["clip"])


@pytest.mark.parametrize("batch_size", [1, 2, 4, 16])
def test_testing_shows_every_video_once_and_marks_the_padding(videos, batch_size):
    batches = list(read_ahead(eval_batches(videos, np.arange(10), VIEWS, batch_size=batch_size), workers=2))
    assert sorted(np.concatenate([batch["row"][batch["valid"]] for batch in batches])) == list(range(10))
    for batch in batches:
        assert len(batch["label"]) == batch_size and batch["clips"].shape[1:3] == (3, 4)
        assert batch["clips"].dtype == np.uint8 and min(batch["clips"].shape[3:5]) == 24


def test_a_batch_holds_frames_of_one_size(videos):
    batches = eval_batches(videos, np.arange(10), VIEWS, batch_size=4)
    assert [batch["clips"].shape[3:5] for batch in batches] == [(24, 36), (24, 36), (36, 24)]


def broken(videos, *rows):
    """The same, but the records of `rows` hold no video."""
    records = [record | {"video": b"gone"} if i in rows else record for i, record in enumerate(videos.records)]
    return videos._replace(records=records)


def test_in_training_a_video_of_its_class_takes_the_place_of_one_that_cannot_be_read(videos):
    sound, damaged = (train_batches(each, np.arange(10), CLIP, **TRAIN) for each in (videos, broken(videos, 6)))
    batches = [(sound[k], damaged[k]) for k in range(6)]
    # Once in each of two epochs, or again where it fills up an epoch's last batch.
    assert 2 <= sum((after["failed"] == 6).sum() for _, after in batches) <= 4
    for before, after in batches:
        np.testing.assert_array_equal(before["label"], after["label"])
        assert (before["failed"] == -1).all() and all(reason_of_row(packed) == "" for packed in before["reason"])
        for i in range(4):
            if after["failed"][i] == 6:
                reason = reason_of_row(after["reason"][i])
                assert "not a video" in reason or "ends before" in reason
            assert np.array_equal(before["clip"][i], after["clip"][i]) == (after["failed"][i] == -1)
    again = train_batches(broken(videos, 6), np.arange(10), CLIP, **TRAIN)
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
    first, again = (train_batches(each, np.arange(10), CLIP, **TRAIN)[0] for each in (videos, flaky))
    same(first, again)


def test_a_class_of_which_nothing_can_be_read_ends_it(videos):
    batches = train_batches(broken(videos, 6, 7), np.array([6, 7]), CLIP, **TRAIN)
    with pytest.raises(InputError, match=r"video v[67]: .*; nor can any of 1 others of its class.*prepare the data"):
        batches[0]


def test_testing_tells_what_it_cannot_read(videos):
    rows = {}
    for batch in eval_batches(broken(videos, 3), np.arange(7), VIEWS, batch_size=4):
        for row, valid, packed in zip(batch["row"].tolist(), batch["valid"], batch["missing"]):
            rows[row] = valid, reason_of_row(packed)
    assert not rows[3][0] and "not a video" in rows[3][1]
    assert all(why == "" for row, (_, why) in rows.items() if row != 3)


@pytest.mark.parametrize("mix", [None, partial(mix_pairs, mixup=1.0, cutmix=1.0)])
def test_processes_read_their_shares_of_the_same_batches(videos, mix):
    options = {"batch_size": 8, "seed": 3, "augment": partial(random_erase, probability=0.5), "mix": mix}
    shards = ((0, 1), (0, 2), (1, 2))
    whole, *halves = (
        train_batches(videos, np.arange(10), CLIP, **options, strides=(1, 2), shard=shard) for shard in shards
    )
    for k in range(4):
        expected = whole[k]
        parts = [half[k] for half in halves]
        same(expected, {name: np.concatenate([part[name] for part in parts]) for name in expected})
    whole, *halves = (eval_batches(videos, np.arange(7), VIEWS, batch_size=4, shard=shard) for shard in shards)
    for expected, *parts in zip(whole, *halves, strict=True):
        same(expected, {name: np.concatenate([part[name] for part in parts]) for name in expected})


def test_each_process_reads_its_own_share_alone(videos):
    class Counted(list):
        def __getitem__(self, row):
            read.append(row)
            return super().__getitem__(row)

    counted, read = videos._replace(records=Counted(videos.records)), []
    batches = train_batches(counted, np.arange(10), CLIP, batch_size=10, seed=3, shard=(0, 2))
    assert len(batches[0]["label"]) == 5 and len(read) == 5


def test_strides_are_drawn(videos):
    strides = set()
    still = replace(CLIP, flip=0.0, train_sizes=(32, 32), crop=32)
    batches = train_batches(videos, np.array([6]), still, **TRAIN, strides=(1, 3))
    for k in range(6):
        for frames in batches[k]["clip"]:
            bright = [int(np.argmax(frame[12, :, 0] > 150)) for frame in frames]
            strides |= {step // 3 for step in np.diff(bright) if step in (3, 6, 9)}
    assert strides == {1, 2, 3}


def test_videos_are_brought_to_one_frame_rate():
    """Six frames, of which the third is on the screen for eight ticks of 25 a second."""
    data = encode(frames_of(6), codec="libx264", container="mp4", ticks=[0, 1, 2, 10, 11, 12])
    videos = video_set([data], [0])
    everything = decode_all(data)
    whole = replace(CLIP, views=1, frames=13, stride=1, test_size=32)
    clips = eval_batches(videos, np.array([0]), replace(whole, frame_rate=25.0))[0]["clips"]
    np.testing.assert_array_equal(clips[0, 0], everything[[0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 4, 5]])
    as_stored = eval_batches(videos, np.array([0]), whole)[0]["clips"]
    np.testing.assert_array_equal(as_stored[0, 0, :6], everything)


def test_crops_are_further_views_and_make_all_sizes_alike(videos):
    batches = eval_batches(videos, np.arange(10), replace(VIEWS, crops=3), batch_size=5)
    assert len(batches) == 2 and batches[0]["clips"].shape == (5, 9, 4, 24, 24, 3)
    whole = eval_batches(videos, np.array([0]), VIEWS)[0]["clips"][0]
    np.testing.assert_array_equal(batches[0]["clips"][0], three_crops(whole).reshape(9, 4, 24, 24, 3))


@pytest.mark.slow
def test_the_middle_makes_all_sizes_alike(videos):
    whole, middle = (eval_batches(videos, np.arange(10), replace(VIEWS, test_crop=edge)) for edge in (0, 20))
    found, sizes = {}, {}
    for batch in middle:
        found[int(batch["row"][0])] = batch["clips"][0]
    for batch in whole:
        clips = batch["clips"][0]
        top, left = ((size - 20) // 2 for size in clips.shape[2:4])
        sizes[clips.shape] = found[int(batch["row"][0])]
        np.testing.assert_array_equal(sizes[clips.shape], clips[:, :, top : top + 20, left : left + 20])
    assert len(sizes) == 2 and {clips.shape for clips in found.values()} == {(3, 4, 20, 20, 3)}
    assert len(eval_batches(videos, np.arange(10), replace(VIEWS, test_crop=20), batch_size=5)) == 2


@pytest.mark.slow
def test_real_videos_make_batches(ucf101_mini, data_dir):
    from r3d_jax.data.ucf101 import UCF101

    videos = UCF101(source=str(ucf101_mini), splits="ucfTrainTestlist_mini", data_dir=str(data_dir)).load()
    batch = train_batches(videos, "train", ClipSpec(), **TRAIN)[0]
    assert batch["clip"].shape == (4, 8, 112, 112, 3) and batch["clip"].std() > 10
    tests = eval_batches(videos, "test", ClipSpec())
    assert len(tests) == 16 and tests[0]["clips"].shape == (1, 10, 8, 128, 170, 3)
    assert len({int(tests[k]["row"][0]) for k in range(3)}) == 3
