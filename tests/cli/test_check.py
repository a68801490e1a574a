import shutil

import pytest


@pytest.fixture
def videos(folder, tmp_path):
    for name in ("v0.avi", "v1.avi", "broken.avi"):
        shutil.copy(folder / name, tmp_path)
    return tmp_path


def test_a_folders_findings_are_printed_and_make_the_exit_status(run, videos):
    status, printed = run("check", videos)
    assert status == 1 and "broken.avi  unreadable" in printed and "3 videos, 21 frames; 1 files" in printed
    (videos / "broken.avi").unlink()
    told = "2 videos, 21 frames; 0 files to look at: nothing wrong\n"
    assert run("check", videos) == (0, told + "no folders of classes: videos to predict, not to train on\n")


def test_what_training_would_make_of_the_folders_is_told(run, videos):
    """In `train` and `val` the same video, and none of a class in the latter."""
    for name, split in (("v0.avi", "train/ride"), ("v0.avi", "val/ride"), ("v1.avi", "train/run")):
        (videos / "mine" / split).mkdir(parents=True)
        shutil.copy(videos / name, videos / "mine" / split)
    status, printed = run("check", videos / "mine")
    finding, totals, *lines = printed.splitlines()
    assert status == 1 and "duplicate" in finding and totals.endswith("1 duplicate")
    assert lines[:4] == ["class      training  test", "ride              1     1", "run               1     0",
                         "2 classes         2     1"]  # fmt: skip
    assert lines[4:] == [
        "always answering ride, the largest class, would be right for 100.00% of the test videos",
        "val is what is tested on, since there is no test beside it",
        "1 of 2 classes have no test video (run): no accuracy speaks of them",
        "1 video is both in training and in test: the accuracy counts what was trained on; remove one of each "
        "(train ride/v0.avi = test ride/v0.avi)",
    ]


@pytest.mark.parametrize("suffix, between", [("csv", ","), ("tsv", "\t"), ("CSV", ",")])
def test_a_table_is_checked_and_nothing_beside_it(run, videos, suffix, between):
    table = videos / f"table.{suffix}"
    table.write_text(f"path{between}label\nv0.avi{between}ride\ngone.avi{between}run\n")
    status, printed = run("check", table)
    finding, totals, alone = printed.splitlines()
    assert status == 1 and finding.split("  ") == ["gone.avi", "unreadable", "No such file or directory"]
    assert totals == "2 videos, 9 frames; 1 files to look at: 1 unreadable"
    assert alone.startswith("2 classes (ride, run) have one video only")


def test_numbers_of_frames_are_flags(run, videos):
    (videos / "table.csv").write_text("v0.avi,ride\nv1.avi,run\n")
    status, printed = run("check", videos / "table.csv", "--frames=4", "--stride", 3, "--workers=1")
    assert status == 1 and "v0.avi  short  9 frames, but a clip spans 10" in printed and "v1.avi" not in printed


@pytest.mark.parametrize("source", ["~", "~/table.tsv"])
def test_a_quoted_tilde_is_the_home(run, videos, monkeypatch, source):
    monkeypatch.setenv("HOME", str(videos))
    (videos / "table.tsv").write_text("v0.avi\tride\ttrain\nv1.avi\trun\ttest\n")
    status, printed = run("check", source)
    assert status == 1 and ("3 videos" if source == "~" else "2 videos") in printed


@pytest.mark.parametrize(
    "name, message",
    [
        ("nowhere", "error: no folder {path}"),
        ("notes.txt", "error: no folder {path}"),
        ("nowhere.csv", "error: {path} cannot be read as a table"),
        ("odd.csv", "error: row 1 of {path} (v0.avi) must be a path, a label"),
    ],
)
def test_what_is_neither_folder_nor_table_is_one_line(run, tmp_path, name, message):
    (tmp_path / "notes.txt").touch()
    (tmp_path / "odd.csv").write_text("v0.avi\n")
    path = tmp_path / name
    status, printed = run("check", path)
    assert status.startswith(message.format(path=path)) and "\n" not in status and not printed
