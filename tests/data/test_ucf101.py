import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from archives import only_program, rar, without_package
from videos import encode, frames_of

from r3d_jax.data import ucf101
from r3d_jax.data.sampling import split_rows
from r3d_jax.data.ucf101 import SPLITS_ARCHIVE, UCF101, VIDEOS_ARCHIVE
from r3d_jax.errors import InputError

ROOT = Path(__file__).parents[2]
CLASSES = ("Archery", "Basketball", "HandstandPushups")
VIDEO = encode(frames_of(10))


def names(action, groups=(1, 2, 3, 4)):
    file = {"HandstandPushups": "HandStandPushups"}.get(action, action)  # as on the data set's disk
    return [f"{action}/v_{file}_g{group:02d}_c01.avi" for group in groups]


def write_tree(folder, names, data=VIDEO):
    for name in names:
        path = folder / "UCF-101" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def write_splits(folder, classes=CLASSES):
    """Fold k tests group k; line ends as in the official files."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [f"{i} {name}" for i, name in enumerate(classes, start=1)]
    (folder / "classInd.txt").write_bytes("\r\n".join([*rows, ""]).encode())
    for fold in (1, 2, 3):
        lists = {"train": [], "test": []}
        for label, action in enumerate(classes, start=1):
            for name in names(action):
                test = f"_g{fold:02d}_" in name
                lists["test" if test else "train"].append(name if test else f"{name} {label}")
        for member, lines in lists.items():
            (folder / f"{member}list{fold:02d}.txt").write_bytes("\r\n".join([*lines, ""]).encode())


@pytest.fixture
def source(tmp_path):
    """A complete tree of 3 classes with 4 videos each."""
    folder = tmp_path / "source"
    write_tree(folder, [name for action in CLASSES for name in names(action)])
    write_splits(folder / "ucfTrainTestlist")
    return folder


@pytest.fixture
def builder(tmp_path):
    return partial(UCF101, data_dir=str(tmp_path / "prepared"))


def test_every_video_is_stored_once_with_what_is_known_of_it(source, builder):
    videos = builder(source=str(source)).load()
    assert videos.class_names == CLASSES and len(videos.records) == 12
    row = videos.index["name"].tolist().index("v_Basketball_g03_c01.avi")
    record = videos.records[row]
    assert record["video"] == VIDEO and record["name"] == b"v_Basketball_g03_c01.avi"
    expected = {"label": 1, "group": 3, "num_frames": 10, "frame_rate": 25, "height": 32, "width": 48}
    for column, value in (expected | {"declared_frames": 10}).items():
        assert record[column] == videos.index[column][row] == value, column
    assert [record[f"fold{fold}"] for fold in (1, 2, 3)] == [1, 1, 2]  # train, train, test
    for fold in (1, 2, 3):
        assert [len(split_rows(videos, fold, split)) for split in ("train", "test")] == [9, 3]
        assert set(videos.index["group"][split_rows(videos, fold, "test")]) == {fold}


def test_a_prepared_data_set_is_read_back_and_a_changed_source_noticed(source, builder):
    first = builder(source=str(source)).load()
    again = builder(source=str(source)).load()
    for column in first.index:
        np.testing.assert_array_equal(first.index[column], again.index[column])
    write_tree(source, ["Archery/v_Archery_g09_c01.avi"])
    with pytest.raises(InputError, match=r"changed since .*new: UCF-101/Archery/v_Archery_g09_c01.avi.; set `renew`"):
        builder(source=str(source)).load()


def test_a_prepared_data_set_needs_its_source_no_longer(source, builder):
    builder(source=str(source)).load()
    source.rename(source.with_name("moved"))
    assert len(builder(source=str(source)).load().records) == 12


def test_names_match_without_regard_to_case(source, builder):
    (source / "UCF-101" / "HandstandPushups").rename(source / "UCF-101" / "HandStandPushups")
    videos = builder(source=str(source)).load()
    assert (videos.index["label"] == 2).sum() == 4


def test_videos_that_are_missing_or_in_no_list_are_counted(source, builder, capsys):
    (source / "UCF-101/Archery/v_Archery_g01_c01.avi").unlink()
    write_tree(source, ["Archery/v_Archery_g77_c01.avi"])
    assert len(builder(source=str(source)).load().records) == 11
    printed = capsys.readouterr().out
    assert "1 of the 12 videos in the split files are not in" in printed and "1 of the videos in" in printed


def test_the_tutorials_layout_of_class_folders_and_splits_elsewhere(source, builder):
    (source / "ucfTrainTestlist").rename(source.parent / "lists")
    videos = builder(source=str(source / "UCF-101"), splits=str(source.parent / "lists")).load()
    assert len(videos.records) == 12


def test_a_video_that_does_not_decode_is_left_out_and_named(source, builder, capsys):
    (source / "UCF-101/Archery/v_Archery_g01_c01.avi").write_bytes(b"no video")
    with pytest.raises(InputError, match=r"1 of 12 videos .* than the 0 that .*\n  v_Archery_g01_c01.avi: not a video"):
        builder(source=str(source), max_broken=0.0).load()
    videos = builder(source=str(source)).load()
    assert len(videos.records) == 11 and "v_Archery_g01_c01.avi" not in videos.index["name"]
    assert "are left out:\n  v_Archery_g01_c01.avi: not a video" in capsys.readouterr().out
    assert split_rows(videos, 1, "test").tolist() == [
        i for i, name in enumerate(videos.index["name"]) if "_g01_" in name
    ]


def test_the_order_on_disk_is_that_of_the_index(source, builder):
    for i, name in enumerate(name for action in CLASSES for name in names(action)):
        write_tree(source, [name], encode(frames_of(5 + i)))
    videos = builder(source=str(source)).load()
    for row, record in enumerate(videos.records):
        assert record["name"].decode() == videos.index["name"][row]
        assert record["num_frames"] == videos.index["num_frames"][row]


def zip_splits(source, archive):
    with zipfile.ZipFile(archive, "w") as file:
        for path in (source / "ucfTrainTestlist").iterdir():
            file.write(path, f"ucfTrainTestlist/{path.name}")


@pytest.mark.parametrize("by", ["package", "program"])
def test_archives_in_the_folder_are_unpacked_beside_nothing_of_the_users(source, builder, tmp_path, monkeypatch, by):
    archives = tmp_path / "archives"
    archives.mkdir()
    zip_splits(source, archives / SPLITS_ARCHIVE)
    if by == "package":
        pytest.importorskip("unrar.cffi", reason="unrar2-cffi has no wheel for this machine")
        tree = (source / "UCF-101").glob("*/*.avi")
        files = {str(path.relative_to(source)): path.read_bytes() for path in sorted(tree)}
        (archives / VIDEOS_ARCHIVE).write_bytes(rar(files))
    else:
        (archives / VIDEOS_ARCHIVE).write_bytes(b"as good as a RAR")
        only_program(tmp_path, monkeypatch, f'cp -r {source}/UCF-101 "$4"')
    videos = builder(source=str(archives)).load()
    assert len(videos.records) == 12 and videos.records[0]["video"] == VIDEO
    assert sorted(path.name for path in archives.iterdir()) == sorted([VIDEOS_ARCHIVE, SPLITS_ARCHIVE])
    left = [path for path in (tmp_path / "prepared").rglob("*") if path.name == "UCF-101" or "unpacked" in path.name]
    assert not left


def test_without_anything_that_unpacks_rar_the_message_says_what_to_install(source, builder, tmp_path, monkeypatch):
    (source / VIDEOS_ARCHIVE).write_bytes(b"")
    (source / "UCF-101").rename(tmp_path / "elsewhere")
    monkeypatch.setenv("PATH", str(tmp_path))
    without_package(monkeypatch)
    message = r"unpacks UCF101.rar: pip install unrar2-cffi .* apt install unar.*needs nothing \(configs/demo.py\)"
    for where in (str(source), ""):  # "": before anything is downloaded
        with pytest.raises(InputError, match=message):
            builder(source=where).load()


def test_a_bad_archive_is_named(source, builder, tmp_path, monkeypatch):
    (source / "UCF-101").rename(tmp_path / "elsewhere")
    (source / VIDEOS_ARCHIVE).write_bytes(b"")
    only_program(tmp_path, monkeypatch, "echo CRC failed >&2; exit 3")
    with pytest.raises(InputError, match=r"cannot unpack .*UCF101.rar \(unrar: CRC failed\); fetch it again from"):
        builder(source=str(source)).load()
    (tmp_path / "bin/unrar").write_text("#!/bin/sh\n")
    with pytest.raises(InputError, match=r"no <class>/\*.avi in .*UCF101.rar; fetch it again .* \(configs/demo.py\)"):
        builder(source=str(source)).load()
    (source / "ucfTrainTestlist").rename(tmp_path / "lists")
    (source / SPLITS_ARCHIVE).write_bytes(b"PK")
    with pytest.raises(InputError, match=r"cannot unpack .*UCF101TrainTestSplits.*fetch it again from https"):
        builder(source=str(source)).load()
    with zipfile.ZipFile(source / SPLITS_ARCHIVE, "w") as file:
        file.writestr("readme.txt", "nothing else")
    with pytest.raises(InputError, match=r"no classInd.txt in .*UCF101TrainTestSplits.*fetch it again from https"):
        builder(source=str(source)).load()


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A folder served on this machine in the place of the data set's home."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as http:
        threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
        for name in ("VIDEOS", "SPLITS"):
            archive = getattr(ucf101, f"{name}_ARCHIVE")
            monkeypatch.setattr(ucf101, f"{name}_URL", f"http://127.0.0.1:{http.server_port}/{archive}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield folder
        http.shutdown()


def test_both_archives_are_downloaded(source, builder, server, tmp_path, monkeypatch):
    zip_splits(source, server / SPLITS_ARCHIVE)
    (server / VIDEOS_ARCHIVE).write_bytes(b"as good as a RAR")
    only_program(tmp_path, monkeypatch, f'cp -r {source}/UCF-101 "$4"')
    assert len(builder(source="").load().records) == 12


def test_a_dead_link_ends_in_what_to_fetch_and_where_to_put_it(builder, server, tmp_path, monkeypatch):
    only_program(tmp_path, monkeypatch, "exit 1")
    with pytest.raises(
        InputError, match=r"cannot be downloaded .*404.*put UCF101.rar .* as `source`; .*configs/demo.py"
    ):
        builder(source="").load()


@pytest.mark.parametrize(
    "remove, message",
    [
        (
            "ucfTrainTestlist",
            r"no split files \(classInd.txt, .* in .*source; put UCF101TrainTestSplits.*as `splits`; .*demo.py",
        ),
        ("UCF-101", r"no UCF-101/<class>/\*.avi and no UCF101.rar in .*source; put UCF101.rar .*demo.py"),
        ("ucfTrainTestlist/testlist02.txt", "no testlist02.txt in .*; fetch the split files again .*demo.py"),
        ("", r"no folder .*source \(`source`\); put UCF101.rar .*demo.py"),
    ],
)
def test_what_is_missing_is_named_with_where_to_put_it(source, builder, tmp_path, remove, message):
    (source / remove).rename(tmp_path / "gone")
    with pytest.raises(InputError, match=message):
        builder(source=str(source)).load()


def test_split_files_that_contradict_themselves_are_refused(source, builder):
    splits = source / "ucfTrainTestlist"
    with (splits / "testlist01.txt").open("a") as file:
        file.write("Archery/v_Archery_g02_c01.avi\n")
    with pytest.raises(InputError, match=r"v_Archery_g02_c01.avi is in both trainlist and testlist of fold 1"):
        builder(source=str(source)).load()
    write_splits(splits)
    (splits / "classInd.txt").write_text("1 Archery\n2 Basketball\n")
    with pytest.raises(InputError, match=r"HandstandPushups is not in classInd.txt"):
        builder(source=str(source)).load()
    (splits / "classInd.txt").write_text("Archery\n")
    with pytest.raises(InputError, match=r"classInd.txt must have lines like `1 ApplyEyeMakeup`"):
        builder(source=str(source)).load()
    write_splits(splits)
    (splits / "trainlist02.txt").write_text("Archery/v_Archery_g01_c01.avi 999\n")
    with pytest.raises(InputError, match=r"trainlist02.txt gives Archery/.* number 999, but .* its class 1; fetch"):
        builder(source=str(source)).load()


def test_a_complete_tree_must_have_the_official_folds(source, builder, monkeypatch):
    monkeypatch.setattr(ucf101, "NUM_VIDEOS", 12)
    with pytest.raises(InputError, match=r"fold 1 .* must have \(9537, 3783\) .* not \(9, 3\)"):
        builder(source=str(source)).load()
    monkeypatch.setattr(ucf101, "FOLD_SIZES", {1: (9, 3), 2: (9, 3), 3: (9, 3)})
    assert len(builder(source=str(source)).load().records) == 12


@pytest.mark.slow
def test_an_interrupted_preparation_is_not_taken_for_a_data_set(source, builder, tmp_path, capsys):
    further = [f"Archery/v_Archery_g{i:02d}_c02.avi" for i in range(20)]
    write_tree(source, further, encode(frames_of(400)))
    with (source / "ucfTrainTestlist" / "trainlist01.txt").open("a") as file:
        file.writelines(f"{name} 1\n" for name in further)
    prepared = tmp_path / "prepared"
    code = (
        f"from r3d_jax.data.ucf101 import UCF101\nUCF101(source={str(source)!r}, data_dir={str(prepared)!r}).load()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=os.environ, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(prepared.glob("ucf101/*/incomplete*")) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    unfinished = builder(source=str(source))
    assert not unfinished.is_prepared()
    assert len(unfinished.load().records) == 32
    assert not list(prepared.rglob("incomplete*"))
    assert "Removed incomplete." in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("splits, sizes", [("", (16, 61)), ("ucfTrainTestlist_mini", (54, 16))])
def test_real_videos_are_stored_in_at_most_their_own_size(ucf101_mini, data_dir, splits, sizes):
    builder = UCF101(source=str(ucf101_mini), splits=splits, data_dir=str(data_dir))
    videos = builder.load()
    assert tuple(len(split_rows(videos, 1, split)) for split in ("train", "test")) == sizes
    assert len(videos.class_names) == 101 and set(videos.index["height"]) == {240}
    stored = {name.lower() for name in videos.index["name"]}
    avis = [path for path in ucf101_mini.glob("UCF-101/*/*.avi") if path.name.lower() in stored]
    on_disk = sum(path.stat().st_size for path in Path(builder.data_dir).rglob("*") if path.is_file())
    assert len(avis) == len(stored) and on_disk <= 1.02 * sum(path.stat().st_size for path in avis)
