import pytest

from r3d_jax.data.listing import Entry, check_levels, in_label_order, read_folder, read_source, read_table
from r3d_jax.errors import InputError


def write(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def told(listing):
    return [(entry.split, entry.name) for entry in listing.entries]


@pytest.mark.parametrize("val", ["val", "valid", "validation", "dev", "Val", "VALID"])
def test_what_is_for_validation_is_tested_on_where_nothing_else_is(tmp_path, val):
    source = write(tmp_path, "Train/run/a.mp4", "Train/sit/b.mp4", f"{val}/run/c.mp4")
    listing = read_folder(source)
    assert told(listing) == [("train", "run/a.mp4"), ("train", "sit/b.mp4"), ("test", "run/c.mp4")]
    assert listing.notes == [f"{val} is what is tested on, since there is no test beside it"]


def test_beside_train_and_test_nothing_is_read_and_what_holds_videos_is_told(tmp_path):
    source = write(tmp_path, "train/run/a.mp4", "test/run/b.mp4", "val/run/c.mp4", "val/d.mp4", "lists/1.txt")
    listing = read_folder(source)
    assert told(listing) == [("train", "run/a.mp4"), ("test", "run/b.mp4")]
    assert listing.notes == ["left out beside train and test: val (2 videos)"]


def test_empty_class_folders_and_videos_of_no_class_are_told(tmp_path):
    source = write(tmp_path, "run/a.mp4", "sit/notes.txt", "loose.mp4", "more.avi", ".hidden/a.mp4", "run/.a.mp4")
    listing = read_folder(source)
    assert told(listing) == [("", "run/a.mp4")]
    assert listing.notes == [
        f"2 videos in {source} itself, not in a class's folder, are left out",
        "no video in sit: an empty folder is no class",
    ]
    of_test = read_folder(
        write(tmp_path / "both", "train/run/a.mp4", "train/sit/b.mp4", "test/run/c.mp4", "test/sit/x")
    )
    assert of_test.notes == ["no video in test/sit: an empty folder is no class"]


@pytest.mark.parametrize(
    "names, message",
    [
        (["train/run/a.mp4", "val/a.mp4", "dev/b.mp4"], "holds dev and val, and each could be its test split"),
        (["train/run/a.mp4", "training/run/a.mp4", "test/run/a.mp4"], "holds train and training, and each could be"),
        (
            ["train/run/a.mp4", "test/a.mp4", "test/b.mp4"],
            r"test holds 2 videos and no folder of a class .* name .*/train as",
        ),
        (
            ["train/a.mp4", "test/run/a.mp4"],
            "train holds 1 videos and no folder of a class .* name .*/test as `source`",
        ),
        (["a.mp4"], "no videos in .*: it must hold a folder for each class"),
    ],
)
def test_folders_that_cannot_be_meant_are_refused(tmp_path, names, message):
    with pytest.raises(InputError, match=message):
        read_folder(write(tmp_path, *names))


@pytest.mark.parametrize(
    "names, seen",
    [
        (["sports/Jump/a.mp4", "other/Sit/b.mp4"], r"in other, sports there are only .* \(other/Sit, sports/Jump\)"),
        (["UCF-101/Punch/a.mp4", "UCF-101/YoYo/b.mp4"], r"UCF-101/Punch, UCF-101/YoYo\).*: name .*UCF-101 as `source`"),
        (["train/Jump/a.mp4", "train/Sit/b.mp4"], r"train/Jump, train/Sit\).*: name .*train as `source`"),
        (["val/Jump/a.mp4", "test/Jump/b.mp4"], r"\(test/Jump, val/Jump\)"),
    ],
)
def test_a_level_above_the_classes_is_refused_with_what_was_seen(tmp_path, names, seen):
    with pytest.raises(InputError, match=seen):
        check_levels(read_folder(write(tmp_path, *names)).entries, tmp_path)


@pytest.mark.parametrize(
    "names",
    [
        ["run/a.mp4", "sit/more/b.mp4"],  # a class has videos of its own
        ["run/anna/a.mp4", "run/bob/a.mp4", "sit/anna/a.mp4"],  # people
        ["run/take 1/a.mp4", "sit/take 7/a.mp4"],  # recordings
        ["train/run/a.mp4", "train/sit/b.mp4", "val/run/take/c.mp4"],
    ],
)
def test_folders_below_a_class_are_of_that_class(tmp_path, names):
    entries = read_folder(write(tmp_path, *names)).entries
    check_levels(entries, tmp_path)
    assert {entry.label for entry in entries} == {"run", "sit"}


@pytest.mark.parametrize("text", ["path,label,split\na,run,Train\nb,run,VAL\n", "a,run,training\nb,run,dev\n"])
def test_a_table_has_the_words_that_folders_have(tmp_path, text):
    (tmp_path / "list.csv").write_text(text)
    entries, notes = read_source(tmp_path / "list.csv")
    assert entries == [Entry("a", tmp_path / "a", "run", "train"), Entry("b", tmp_path / "b", "run", "test")]
    assert notes == ["val is what is tested on, since there is no test beside it"]


def test_a_table_with_all_three_splits_is_trained_and_tested_on_as_it_says(tmp_path):
    (tmp_path / "list.tsv").write_text("a\trun\ttrain\nb\trun\tval\nc\trun\ttest\n")
    listing = read_table(tmp_path / "list.tsv")
    assert told(listing) == [("train", "a"), ("test", "c")]
    assert listing.notes == ["left out: 1 videos for validation, since list.tsv has others for testing"]


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "a,run,train\nb,run,holdout\n",
            r"row 2 of .* \(b, run, holdout\) has the split 'holdout', which is none of train",
        ),
        ("file,class,split\na,run,train\n", r"row 1 .* has the split 'split'.* need the titles path, label and split"),
        ("a,run,train\nb,sit,train\n", "all videos of .* are for train; it must name some for train and some for test"),
        ("a,run,val\nb,sit,test\n", "all videos of .* are for test and val"),
        ("a,run,val\nb,sit\n", "it must of all or none"),
    ],
)
def test_splits_of_a_table_that_cannot_be_meant_are_refused(tmp_path, text, message):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / "list.csv")


def test_labels_that_are_numbers_stand_in_their_own_order():
    assert in_label_order(["10", "9", "10"]) == ("9", "10")
    assert in_label_order(["b", "10", "9"]) == ("10", "9", "b")
