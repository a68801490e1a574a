"""What every data set's preparation shares; a folder of videos stands for all of them."""

import os
import pickle
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from videos import decode_all, encode, frames_of

from r3d_jax.data import preparation
from r3d_jax.data.demo import Demo
from r3d_jax.data.hmdb51 import HMDB51
from r3d_jax.data.kinetics import Kinetics
from r3d_jax.data.records import packet_index_of
from r3d_jax.data.sources import ORIGIN
from r3d_jax.data.ucf101 import UCF101
from r3d_jax.data.video_folder import VideoFolder
from r3d_jax.errors import InputError
from r3d_jax.video.pixels import read_frames
from r3d_jax.video.probe import probe

ROOT = Path(__file__).parents[2]
LONG = encode(frames_of(40, 64, 96), codec="libx264", container="mp4", key_every=40, b_frames=2)
WHOLE = encode(frames_of(40, 64, 96))
CUT = WHOLE[: len(WHOLE) * 8 // 10]


def source_of(tmp_path, **files):
    for name, data in files.items():
        for i in range(2):
            path = tmp_path / "mine" / "run" / f"{name}{i}.avi"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return {"source": str(tmp_path / "mine"), "data_dir": str(tmp_path / "prepared")}


def test_a_record_says_where_its_frames_are(tmp_path):
    videos = VideoFolder(**source_of(tmp_path, long=LONG)).load()
    record = videos.records[0]
    for found, expected in zip(packet_index_of(record), probe(LONG)[1], strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(
        read_frames(record["video"], packet_index_of(record), np.arange(40)), decode_all(LONG)
    )


def test_videos_are_re_encoded_if_asked_and_the_effect_told(tmp_path, capsys):
    where = source_of(tmp_path, long=LONG)
    videos = VideoFolder(**where, short_edge=32, key_every=8).load()
    printed = capsys.readouterr().out
    assert "re-encoded (2 videos measured): a clip of 8 frames decodes in" in printed
    assert videos.index["height"].tolist() == [32, 32] and videos.index["num_frames"].tolist() == [40, 40]
    packet_index = packet_index_of(videos.records[0])
    np.testing.assert_array_equal(np.flatnonzero(packet_index.packets[:, 2]), np.arange(0, 40, 8))
    assert VideoFolder(**where).load().index["height"].tolist() == [64, 64]  # a preparation of its own


def test_videos_that_are_cut_short_are_kept_and_told(tmp_path, capsys):
    videos = VideoFolder(**source_of(tmp_path, long=LONG, cut=CUT)).load()
    kept = probe(CUT)[0].num_frames
    assert len(videos.records) == 4 and kept in videos.index["num_frames"]
    printed = capsys.readouterr().out
    assert f"2 of 4 videos are cut short, and kept:\n  run/cut0.avi: {kept} decode of the 40 it declares" in printed


def test_a_data_set_can_be_handed_to_another_process(tmp_path):
    videos = VideoFolder(**source_of(tmp_path, long=LONG)).load()
    again = pickle.loads(pickle.dumps(videos))
    assert again.records[1]["video"] == videos.records[1]["video"] == LONG


@pytest.mark.parametrize("builder", [Demo, UCF101, HMDB51, Kinetics, VideoFolder])
def test_prepared_data_sets_are_kept_in_the_folder_data_unless_told_otherwise(builder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    where = {} if builder is Demo else {"source": "mine"}
    assert Path(builder(**where).data_dir).resolve().is_relative_to(tmp_path / "data" / builder.name)
    assert not list(tmp_path.iterdir())  # nothing is made before it is loaded


def test_a_script_names_a_folder_and_loads(tmp_path, monkeypatch):
    where = source_of(tmp_path, cut=CUT)
    monkeypatch.chdir(tmp_path)
    assert len(VideoFolder(source=where["source"]).load().records) == 2
    assert (tmp_path / "data" / "video_folder").is_dir()


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    source_of(tmp_path, cut=CUT)
    videos = VideoFolder(source="~/mine", data_dir="~/prepared").load()
    assert len(videos.records) == 2 and (tmp_path / "prepared/video_folder").is_dir()
    for builder in (UCF101, HMDB51, Kinetics):
        made = builder(source="~/mine", splits="~/lists", data_dir="~/prepared")
        assert (made.source, made.source / made.splits) == (tmp_path / "mine", tmp_path / "lists")


def replaced(path, data):
    """Other bytes of the same number, later, whatever the file system's clock."""
    before = path.stat()
    path.write_bytes(data[: before.st_size].ljust(before.st_size, b"\0"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))


def test_a_replaced_video_is_noticed_and_prepared_again_alone(tmp_path, monkeypatch, capsys):
    where = source_of(tmp_path, long=LONG, whole=WHOLE)
    VideoFolder(**where).load()
    for touched in (tmp_path / "mine/run").iterdir():
        os.utime(touched)
    VideoFolder(**where).load()  # a mere touch is none
    replaced(tmp_path / "mine/run/whole1.avi", encode(frames_of(39, 64, 96)))
    with pytest.raises(InputError) as refused:
        VideoFolder(**where).load()
    message = str(refused.value)
    assert "(changed: run/whole1.avi); set `renew` to prepare these again and keep the others" in message
    assert len(message.splitlines()) == 1
    decoded = []
    monkeypatch.setattr(preparation, "probe", lambda data: decoded.append(data) or probe(data))
    renewed = VideoFolder(**where, renew=True).load()
    assert len(decoded) == 1 and "preparing these again" in capsys.readouterr().out
    where["data_dir"] += "-anew"
    anew = VideoFolder(**where).load()
    assert {column: values.tolist() for column, values in renewed.index.items()} == {
        column: values.tolist() for column, values in anew.index.items()
    }
    for record, expected in zip(renewed.records, anew.records, strict=True):
        assert record.keys() == expected.keys()
        for field, value in record.items():
            np.testing.assert_array_equal(value, expected[field])
    assert VideoFolder(**where | {"data_dir": str(tmp_path / "prepared")}).load().index["num_frames"].tolist()[3] == 39


def test_a_preparation_that_cannot_be_renewed_stays_as_it_is(tmp_path):
    where = source_of(tmp_path, long=LONG, whole=WHOLE)
    VideoFolder(**where).load()
    kept = (tmp_path / "mine/run/long0.avi").read_bytes(), (tmp_path / "mine/run/long0.avi").stat()
    replaced(tmp_path / "mine/run/long0.avi", b"no video")
    with pytest.raises(InputError, match=r"1 of 4 videos cannot be decoded"):
        VideoFolder(**where, renew=True, max_broken=0.0).load()
    (tmp_path / "mine/run/long0.avi").write_bytes(kept[0])
    assert VideoFolder(**where).load().records[0]["video"] == LONG
    assert not list(tmp_path.rglob("incomplete*")) and not list(tmp_path.rglob("renewed"))


KILLED = """
import os, sys, time
from pathlib import Path
from r3d_jax.data import VideoFolder, preparation

probe, calls, place = preparation.probe, [], Path(sys.argv[2])

def dies(data):
    calls.append(data)
    while len(calls) > 3 and len(list(place.rglob("kept/*/*.npz"))) < 2:
        time.sleep(0.01)
    if len(calls) > 3:
        os.kill(os.getpid(), 9)
    return probe(data)

preparation.probe = dies
VideoFolder(source=sys.argv[1], data_dir=place, short_edge=32, key_every=8, max_broken=1.0).load()
"""


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_killed_preparation_goes_on_and_ends_with_the_same_files(tmp_path, monkeypatch, capsys):
    where = source_of(tmp_path, a=b"no video")
    (tmp_path / "mine/run/a1.avi").unlink()
    for i in range(5):
        (tmp_path / f"mine/run/b{i}.avi").write_bytes(encode(frames_of(20 + i, 48, 64)))
    how = {"short_edge": 32, "key_every": 8, "max_broken": 1.0}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, where["source"], where["data_dir"]], cwd=ROOT, capture_output=True, timeout=120
    )
    assert done.returncode == -9
    kept = len(list(tmp_path.rglob("kept/*/*.npz")))
    assert kept >= 2
    decoded = []
    monkeypatch.setattr(preparation, "probe", lambda data: decoded.append(data) or probe(data))
    VideoFolder(**where, **how).load()
    assert len(decoded) == 1 + 5 - kept  # what is no video is looked at again
    assert f"Going on with {kept} videos that a process which ended early has prepared in " in capsys.readouterr().out
    assert not list(tmp_path.rglob("kept")) and not list(tmp_path.rglob("incomplete*"))
    VideoFolder(**where | {"data_dir": str(tmp_path / "anew")}, **how).load()
    found, expected = contents(tmp_path / "prepared"), contents(tmp_path / "anew")
    assert found == expected and any(path.name == "metadata.json" for path in found)


def test_what_is_kept_beside_a_finished_data_set_is_removed(tmp_path):
    where = source_of(tmp_path, long=LONG)
    VideoFolder(**where).load()
    [folder] = tmp_path.rglob("2.0.0")
    (folder.with_name("kept") / "ab").mkdir(parents=True)
    VideoFolder(**where).load()
    assert not folder.with_name("kept").exists()


def test_what_an_earlier_version_has_prepared_is_used_and_renewed_as_a_whole(tmp_path):
    where = source_of(tmp_path, long=LONG)
    VideoFolder(**where).load()
    [origin] = tmp_path.rglob(ORIGIN)
    origin.unlink()
    assert len(VideoFolder(**where).load().records) == 2
    (tmp_path / "mine/run/more.avi").write_bytes(WHOLE)
    with pytest.raises(InputError, match=r"have changed since .* \(a label, a split or a file's size\); set `renew`"):
        VideoFolder(**where).load()
    assert len(VideoFolder(**where, renew=True).load().records) == 3 and origin.exists()


def test_a_source_that_is_gone_is_told(tmp_path, capsys):
    where = source_of(tmp_path, long=LONG)
    VideoFolder(**where).load()
    (tmp_path / "mine").rename(tmp_path / "moved")
    capsys.readouterr()
    assert len(VideoFolder(**where).load().records) == 2
    assert f"{tmp_path / 'mine'} is gone; using what was prepared from it in " in capsys.readouterr().out


def test_a_disk_that_fills_up_is_one_message_and_leaves_nothing(tmp_path):
    where = source_of(tmp_path, long=LONG, whole=WHOLE)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(LONG), before[1]))
    try:
        message = r"^the disk is full: about 0.\d MiB are needed, and .*; what is done is kept; make room, and the same"
        with pytest.raises(InputError, match=message):
            VideoFolder(**where).load()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.rglob("incomplete*"))
    assert len(VideoFolder(**where).load().records) == 4


def test_too_little_room_is_told_before_anything_is_decoded(tmp_path, monkeypatch, capsys):
    where = source_of(tmp_path, long=LONG)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**10))
    with monkeypatch.context() as patch, pytest.raises(InputError, match=r"preparing 2 videos needs about .* MiB in "):
        patch.setattr(preparation, "probe", None)
        VideoFolder(**where).load()
    VideoFolder(**where, short_edge=32).load()  # which may well make them smaller
    assert "are free: it may be too little, unless re-encoding makes" in capsys.readouterr().out


@pytest.mark.parametrize("label", ["run\u2028fast", "run\nfast"])
def test_a_class_that_cannot_be_called_so_is_refused_before_anything_is_decoded(tmp_path, monkeypatch, label):
    source_of(tmp_path, long=LONG)
    (tmp_path / "list.csv").write_text(
        f'mine/run/long0.avi,"{label}",train\nmine/run/long1.avi,sit,test\n', encoding="utf-8"
    )
    monkeypatch.setattr(preparation, "probe", None)
    with pytest.raises(InputError) as refused:
        VideoFolder(source=tmp_path / "list.csv", data_dir=tmp_path / "prepared").load()
    assert repr(label) in str(refused.value) and "must be one line" in str(refused.value)


def test_a_folder_with_a_blank_at_its_end_is_refused(tmp_path):
    where = source_of(tmp_path, long=LONG)
    (tmp_path / "mine/run").rename(tmp_path / "mine/run ")
    with pytest.raises(InputError, match=r"class name 'run ' of .*mine must be one line .*; rename the class"):
        VideoFolder(**where).load()


@pytest.mark.slow
def test_tfds_warns_of_nothing_that_is_meant_to_be_so(tmp_path):
    """In a program of its own: the first time, when everything is prepared, and the second."""
    where = source_of(tmp_path, cut=CUT)
    script = f"""
import logging
from r3d_jax.data import Demo, VideoFolder

for _ in range(2):
    Demo(data_dir={where["data_dir"]!r}, groups=1, videos_per_group=1).load().records[0]
    VideoFolder(**{where!r}).load().records[0]
logging.getLogger("absl").warning("something else")
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stderr == "WARNING:absl:something else\n"
