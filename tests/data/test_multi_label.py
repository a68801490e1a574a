"""Tables of several labels: how they are read, split and prepared, and what of them cannot be meant."""

from collections import Counter
from functools import partial

import numpy as np
import pytest
from videos import encode, frames_of, video_set

from r3d_jax.data.batches import eval_batches, train_batches
from r3d_jax.data.census import census_of, gaps
from r3d_jax.data.multi_label import multi_hot, stratify
from r3d_jax.data.sampling import split_rows, spread_over_classes
from r3d_jax.data.video_folder import VideoFolder
from r3d_jax.errors import InputError
from r3d_jax.video.clips import ClipSpec

VIDEO = encode(frames_of(6))
CLIP = ClipSpec(frames=2, crop=16, train_sizes=(16, 16), test_size=16, views=1)


@pytest.fixture
def table(tmp_path):
    """A function of a table's text: the builder of its videos, a.mp4 to d.mp4, which may have several labels."""
    for name in "abcd":
        (tmp_path / f"{name}.mp4").write_bytes(VIDEO)

    def write(text, **options):
        (tmp_path / "list.csv").write_text(text)
        options = {"multi_label": True, "data_dir": str(tmp_path / "prepared")} | options
        return VideoFolder(source=str(tmp_path / "list.csv"), **options)

    return write


ONE_CELL = "path,labels,split\na.mp4,run; left,train\nb.mp4,run,test\nc.mp4,,train\nd.mp4,jump;left;,test\n"


@pytest.mark.parametrize(
    "text",
    [
        ONE_CELL,
        ONE_CELL.replace(";", "|").replace("labels", "label"),
        "a.mp4,left,train\nb.mp4,run,test\na.mp4,run,train\nc.mp4,,train\nd.mp4,jump,test\nd.mp4,left,test\n",
    ],
    ids=["one cell", "bars", "rows of their own"],
)
def test_several_labels_stand_in_one_cell_or_in_rows_of_their_own(table, text, capsys):
    videos = table(text).load()
    assert videos.multi_label and videos.class_names == ("jump", "left", "run")
    assert dict(zip(videos.index["name"].tolist(), videos.index["label"].tolist())) == {
        "a.mp4": [0, 1, 1],
        "b.mp4": [0, 0, 1],
        "c.mp4": [0, 0, 0],
        "d.mp4": [1, 1, 0],
    }
    assert [record["label"].tolist() for record in videos.records] == [[1, 2], [2], [], [0, 1]]
    assert "1 of the 4 videos in" in capsys.readouterr().out
    again = table(text).load()  # as it was prepared
    np.testing.assert_array_equal(again.index["label"], videos.index["label"])


def test_without_the_setting_a_name_stays_as_it_is_and_what_looks_like_several_labels_is_told(table, capsys):
    videos = table("a.mp4,run;left,train\nb.mp4,run,test\n", multi_label=False).load()
    assert videos.class_names == ("run", "run;left") and not videos.multi_label
    printed = capsys.readouterr().out
    assert "1 classes of" in printed and "(run;left); if these are several labels, set `multi_label`" in printed
    with pytest.raises(InputError, match=r"gives b.mp4 two labels, 'run' and 'left'; keep one, or set `multi_label`"):
        table("a.mp4,run\nb.mp4,run\nb.mp4,left\n", multi_label=False, seed=1).load()


def test_the_same_table_with_and_without_the_setting_is_prepared_apart(table):
    text = "a.mp4,run;left,train\nb.mp4,run,test\n"
    assert table(text, multi_label=False).load().index["label"].tolist() == [1, 0]
    assert table(text).load().index["label"].tolist() == [[1, 1], [0, 1]]


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "a.mp4,run;left\nb.mp4,run|left\n",
            r"apart in two ways, 'run;left' of a.mp4 by ; and 'run\|left' of b.mp4 by",
        ),
        ("a.mp4,run,train\na.mp4,left,test\n", "has a.mp4 for training in one row and for testing in another"),
        ("a.mp4,\nb.mp4,;\n", "no video of .*list.csv has a label; name the classes of each, with ; between them"),
        ("a.mp4,run,train\nb.mp4,,test\n", "no test video of .*list.csv has a label"),
        ("a.mp4,run,left\n", r"row 1 of .* has the split 'left', which is none of train, test"),
        (
            "a.mp4\n",
            r"row 1 of .*list.csv \(a.mp4\) must be a path, a label.*; several labels stand in one cell, with ;",
        ),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(table, text, message):
    with pytest.raises(InputError, match=message):
        table(text).load()


def test_class_folders_cannot_have_several_labels(tmp_path):
    with pytest.raises(InputError, match=r"`multi_label` needs a .csv or .tsv of paths and labels as `source`, not /"):
        VideoFolder(source=str(tmp_path), multi_label=True)


def test_each_class_of_two_groups_or_more_is_on_both_sides_and_close_to_its_share():
    rng = np.random.default_rng(0)
    classes = 12
    labels = [
        tuple(np.flatnonzero(rng.random(classes) < np.linspace(0.008, 0.5, classes)).tolist()) for _ in range(400)
    ]
    splits = stratify([f"v{i}" for i in range(400)], labels, 0.2, seed=0)
    every = Counter(label for its in labels for label in its)
    held = Counter(label for its, split in zip(labels, splits) if split == "test" for label in its)
    assert 2 <= min(every.values()) <= 5  # some classes are rare
    for label, count in every.items():
        assert 1 <= held[label] < count
        assert abs(held[label] - 0.2 * count) <= max(1.5, 0.03 * count), (label, held[label], count)
    assert abs(splits.count("test") - 80) <= 8
    assert stratify([f"v{i}" for i in range(400)], labels, 0.2, seed=0) == splits
    assert stratify([f"v{i}" for i in range(400)], labels, 0.2, seed=1) != splits


def test_a_class_of_one_group_is_trained_on_and_groups_stay_whole():
    labels = [(0, 1), (0,), (1,), (1, 2), (0,), ()]
    splits = stratify(["a", "a", "b", "b", "c", "d"], labels, 0.25, seed=3)
    assert splits[0] == splits[1] and splits[2] == splits[3] == "train"  # the one group of class 2
    assert splits[0] == "test" != splits[4]  # class 1 has two groups, and so has class 0


def made(labels):
    videos = video_set([VIDEO] * len(labels), list(range(len(labels))))
    folds = {"fold1": np.array(["train"] * (len(labels) - 1) + ["test"])}
    return videos._replace(index=videos.index | folds | {"label": multi_hot(labels, 3)})


def test_batches_have_rows_of_zeros_and_ones():
    videos = made([(0, 2), (), (1,), (0, 1)])
    batch = train_batches(videos, "train", CLIP, batch_size=3)[0]
    assert batch["label"].dtype == np.uint8
    assert sorted(batch["label"].tolist()) == [[0, 0, 0], [0, 1, 0], [1, 0, 1]]
    assert eval_batches(videos, "test", CLIP)[0]["label"].tolist() == [[1, 1, 0]]


def test_classes_without_a_video_are_told():
    videos = made([(0, 2), (), (0,), (0, 1)])
    assert gaps(census_of(videos.index["label"], videos.index["fold1"].tolist(), videos.class_names)) == [
        "1 of 3 classes have no train video (b): the network cannot learn them",
        "1 of 3 classes have no test video (c): no accuracy speaks of them",
    ]


def test_the_video_most_alike_takes_the_place_of_one_that_fails_with_its_own_label():
    videos = made([(0, 1, 2), (0, 1), (2,), (), (0,)])
    broken = videos._replace(records=[r | {"video": b"gone"} if i == 0 else r for i, r in enumerate(videos.records)])
    batch = train_batches(broken, np.array([0, 1, 2, 3]), CLIP, batch_size=4)[0]
    at = batch["failed"].tolist().index(0)
    assert batch["label"][at].tolist() == [1, 1, 0]  # which differs least


def test_a_subset_shows_each_class_before_any_shows_twice():
    rng = np.random.default_rng(1)
    often = np.linspace(0.02, 0.5, 20)
    labels = multi_hot([tuple(np.flatnonzero(rng.random(20) < often).tolist()) for _ in range(300)], 20)
    pick = partial(spread_over_classes, labels, np.arange(300))
    chosen = pick(24, seed=0)
    assert labels[chosen].any(0).all() and sorted(chosen.tolist()) == chosen.tolist() and len(chosen) == 24
    assert pick(24, seed=0).tolist() == chosen.tolist() != pick(24, seed=1).tolist()
    assert not labels[:24].any(0).all()  # of the first that come


def test_splits_are_rows_as_ever(table):
    videos = table("".join(f"{name}.mp4,{'run' if name in 'ab' else 'left'}\n" for name in "abcd")).load()
    assert len(split_rows(videos, 1, "test")) == 2
    assert videos.index["label"][split_rows(videos, 1, "test")].sum(0).tolist() == [1, 1]
