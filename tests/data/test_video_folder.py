import shutil
import zlib
from collections import Counter
from functools import partial

import pytest
from videos import encode, frames_of

from r3d_jax.data.sampling import split_rows
from r3d_jax.data.video_folder import VideoFolder
from r3d_jax.errors import InputError

VIDEO = encode(frames_of(6))


@pytest.fixture
def builder(tmp_path):
    return partial(VideoFolder, data_dir=str(tmp_path / "prepared"), max_broken=0.01)


def write(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(VIDEO)
    return folder


def names_in(videos, split):
    return sorted(videos.index["name"][split_rows(videos, 1, split)].tolist())


def test_train_and_test_folders_say_what_is_what(builder, tmp_path):
    source = write(tmp_path / "mine", "train/run/a.mp4", "train/sit/b.AVI", "test/run/c.mkv", "test/sit/take 2/d.webm")
    (source / "train/run/notes.txt").write_text("no video")
    (source / "train/.cache").mkdir()
    videos = builder(source=str(source)).load()
    assert videos.class_names == ("run", "sit")
    assert names_in(videos, "train") == ["run/a.mp4", "sit/b.AVI"]
    assert names_in(videos, "test") == ["run/c.mkv", "sit/take 2/d.webm"]
    assert videos.records[0]["video"] == VIDEO


def test_a_folder_for_validation_is_tested_on(builder, tmp_path, capsys):
    source = write(tmp_path / "mine", "train/run/a.mp4", "train/sit/b.mp4", "val/run/c.mp4", "val/sit/d.mp4")
    videos = builder(source=str(source)).load()
    assert videos.class_names == ("run", "sit")
    assert names_in(videos, "test") == ["run/c.mp4", "sit/d.mp4"]
    assert "\nval is what is tested on, since there is no test beside it\n" in capsys.readouterr().out


def test_class_folders_alone_are_split_in_each_class_by_the_seed(builder, tmp_path):
    source = write(tmp_path / "mine", *(f"{label}/{i}.mp4" for label in ("run", "sit") for i in range(5)))
    first = builder(source=str(source)).load()
    held = names_in(first, "test")
    assert {name.split("/")[0] for name in held} == {"run", "sit"} and 2 <= len(held) <= 4
    again = shutil.copytree(source, tmp_path / "elsewhere" / "mine")  # where the folder lies decides nothing
    assert names_in(builder(source=str(again)).load(), "test") == held
    others = {tuple(names_in(builder(source=str(source), seed=seed).load(), "test")) for seed in (1, 2, 3)}
    assert len(others | {tuple(held)}) > 1


def test_videos_of_one_recording_stay_together(builder, tmp_path):
    names = [f"{label}/{who}_{i}.mp4" for label in ("run", "sit") for who in "abcde" for i in (1, 2)]
    source = write(tmp_path / "mine", *names)
    for group in (r"/(\w)_", ""):
        videos = builder(source=str(source), group=group).load()
        people = [{name.split("/")[1][0] for name in names_in(videos, split)} for split in ("train", "test")]
        assert all(people) and not people[0] & people[1]
        assert Counter(videos.index["group"].tolist()) == dict.fromkeys(range(5), 4)


def test_a_renewed_data_set_keeps_what_it_held_out(builder, tmp_path):
    """Also what an earlier version has drawn in its own way: here by hand, the first video of each class."""
    source = write(tmp_path / "mine", *(f"{label}/{i}.mp4" for label in ("run", "sit") for i in range(6)))
    (tmp_path / "list.csv").write_text(
        "".join(f"mine/{each}/{i}.mp4,{each},{'train' if i else 'test'}\n" for each in ("run", "sit") for i in range(6))
    )
    where = {"source": str(tmp_path / "list.csv")}
    held = names_in(builder(**where).load(), "test")
    write(source, "run/6.mp4", "run/7.mp4")
    paths = [f"mine/{path.parent.name}/{path.name},{path.parent.name}\n" for path in sorted(source.rglob("*.mp4"))]
    (tmp_path / "list.csv").write_text("".join(paths))
    with pytest.raises(InputError, match=r"new: .*run/6.mp4, .*run/7.mp4.*set `renew`"):
        builder(**where).load()
    renewed = builder(**where, renew=True).load()
    assert set(held) == set(names_in(renewed, "test")) - {"mine/run/6.mp4", "mine/run/7.mp4"}
    assert len(names_in(renewed, "train")) + len(names_in(renewed, "test")) == 14


@pytest.mark.parametrize(
    "name, text",
    [
        ("list.csv", "a/1.mp4,run,train\na/2.mp4,sit,test\n"),
        ("list.csv", "\ufefflabel,path,split,colour\nrun,a/1.mp4,train,red\n\nsit,a/2.mp4,test,blue\n"),
        ("list.tsv", "path\tlabel\tsplit\na/1.mp4\trun\ttrain\na/2.mp4\tsit\ttest\n"),
    ],
)
def test_a_table_names_paths_and_labels(builder, tmp_path, name, text):
    write(tmp_path, "a/1.mp4", "a/2.mp4")
    (tmp_path / name).write_text(text, encoding="utf-8")
    videos = builder(source=str(tmp_path / name)).load()
    assert videos.class_names == ("run", "sit")
    assert (names_in(videos, "train"), names_in(videos, "test")) == (["a/1.mp4"], ["a/2.mp4"])


def test_numbers_are_classes_in_their_own_order(builder, tmp_path):
    source = write(tmp_path / "mine", "train/10/a.mp4", "train/9/b.mp4", "test/9/c.mp4")
    assert builder(source=str(source)).load().class_names == ("9", "10")


def test_a_listed_video_that_is_not_there_is_named(builder, tmp_path):
    write(tmp_path, *(f"{i}.mp4" for i in range(4)))
    (tmp_path / "list.csv").write_text("".join(f"{i}.mp4,run\n" for i in range(5)))
    with pytest.raises(ValueError, match=r"1 of 5 videos cannot be decoded, .*\n  4.mp4: .*No such file"):
        builder(source=str(tmp_path / "list.csv"), max_broken=0.0).load()
    assert len(builder(source=str(tmp_path / "list.csv")).load().records) == 4


def test_a_changed_folder_is_noticed_and_one_that_is_gone_is_not_missed(builder, tmp_path):
    source = write(tmp_path / "mine", "train/run/a.mp4", "test/run/b.mp4")
    builder(source=str(source)).load()
    write(source, "train/run/c.mp4")
    with pytest.raises(ValueError, match="have changed since"):
        builder(source=str(source)).load()
    source.rename(tmp_path / "moved")
    assert len(builder(source=str(source)).load().records) == 2


def test_a_folder_that_was_prepared_long_ago_is_recognised(builder, tmp_path):
    """The text behind the checksum must never change."""
    write(tmp_path / "mine", "train/run/a.mp4", "test/run/b.mp4")
    rows = (
        f"Row(name='run/{file}', path={tmp_path / 'mine' / split / 'run' / file!r}, label='run', split='{split}') "
        f"{len(VIDEO)}"
        for split, file in (("train", "a.mp4"), ("test", "b.mp4"))
    )
    assert builder(source=str(tmp_path / "mine")).fingerprint() == zlib.crc32("\n".join(rows).encode())


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("list.csv", "a.mp4\n", r"row 1 of .*list.csv \(a.mp4\) must be a path, a label"),
        ("list.csv", "path,label\na.mp4,run\nb.mp4,run,dev\n", None),
        ("list.csv", "a.mp4,run,spare\n", r"row 1 of .* has the split 'spare', which is none of train, test, val"),
        ("list.csv", "a.mp4,run,train\nb.mp4,run\n", "it must of all or none"),
        ("list.csv", "path,label\n", "no videos in .*list.csv; a row is a path and a label"),
        ("list.csv", "", "no videos in .*list.csv"),
        ("list.txt", "a.mp4,run\n", r"no folder and no .csv or .tsv at .*list.txt .`source`."),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(builder, tmp_path, name, text, message):
    write(tmp_path, "a.mp4", "b.mp4")
    (tmp_path / name).write_text(text)
    if message is None:  # a column without a title says nothing
        assert len(builder(source=str(tmp_path / name)).load().records) == 2
        return
    with pytest.raises(ValueError, match=message):
        builder(source=str(tmp_path / name)).load()


def test_a_source_without_videos_is_refused(builder, tmp_path):
    (tmp_path / "mine" / "run").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"no videos in .*mine: it must hold a folder for each class"):
        builder(source=str(tmp_path / "mine")).load()
    with pytest.raises(ValueError, match=r"name their folder, or a .csv, as `source`"):
        builder(source="")


@pytest.mark.parametrize(
    "names, message",
    [
        (["sports/Jump/a.mp4", "other/Sit/b.mp4"], r"further folders \(other/Sit, sports/Jump\)"),
        (
            ["Run/a.mp4", "run/b.mp4", "sit/c.mp4"],
            r"mine: classes differ in case or blanks alone: 'Run' and 'run'; call",
        ),
        (["run/a.mp4", "run/b.mp4", "sit/c.mp4"], r"1 class \(sit\) has one video only"),
    ],
)
def test_classes_that_cannot_be_meant_are_refused_before_anything_is_decoded(
    builder, tmp_path, names, message, monkeypatch
):
    monkeypatch.setattr("r3d_jax.data.preparation.probe", None)
    with pytest.raises(InputError, match=message):
        builder(source=str(write(tmp_path / "mine", *names))).load()


def test_a_pattern_must_be_one(builder, tmp_path):
    with pytest.raises(InputError, match=r"`group` .='\('. is no regular expression"):
        builder(source=str(tmp_path), group="(")
