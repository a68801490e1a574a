import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import tensorflow_datasets as tfds

from r3d_jax.data.demo import CLASSES, PLACES, Demo, draw_video, write_samples
from r3d_jax.data.sampling import split_rows
from r3d_jax.video.pixels import read_frames
from r3d_jax.video.probe import probe

ROOT = Path(__file__).parents[2]


def steps(name):
    """How far round the ring each frame goes, as the smallest rotation of the cycle."""
    order, sign = CLASSES[name]
    cycle = tuple(sign * (after - before) % PLACES for before, after in zip(order, (*order[1:], order[0])))
    return min(cycle[i:] + cycle[:i] for i in range(PLACES))


def test_no_two_classes_are_one_cycle_entered_at_different_places():
    assert len({steps(name) for name in CLASSES}) == len(CLASSES) == 8


def test_eight_frames_in_a_row_show_every_place_once_whatever_the_class():
    for name in CLASSES:
        video = draw_video(name, 0, 3, 1)
        frames = read_frames(video, probe(video)[1], np.arange(16)).astype(int)
        dots = np.abs(frames - np.median(frames, 0)).sum(-1) > 150
        places = np.stack([np.argwhere(dot).mean(0) for dot in dots])
        for first in (0, 5, 8):
            apart = np.linalg.norm(places[first : first + 8, None] - places[None, first : first + 8], axis=-1)
            assert (apart[~np.eye(8, dtype=bool)] > 4).all(), name


def test_a_video_is_a_function_of_class_seed_group_and_number():
    video = draw_video("walk_left", 0, 1, 2)
    assert video == draw_video("walk_left", 0, 1, 2)
    assert len({video, *(draw_video(*other) for other in (("walk_right", 0, 1, 2), ("walk_left", 1, 1, 2)))}) == 3


def test_whole_groups_are_held_out(tmp_path):
    files = Demo(data_dir=tmp_path).video_files(Mock(spec=tfds.download.DownloadManager))
    groups = {split: {file.group for file in files if file.folds == (split,)} for split in ("train", "test")}
    assert groups["train"] | groups["test"] == set(range(1, 41)) and not groups["train"] & groups["test"]
    assert np.bincount([file.label for file in files if file.group in groups["test"]]).tolist() == [16] * 8


@pytest.mark.slow
def test_what_is_prepared_are_these_groups(tmp_path):
    videos = Demo(data_dir=tmp_path, groups=5, videos_per_group=1).load()
    assert set(videos.index["group"][split_rows(videos, 1, "test")]) == {5}
    assert set(videos.index["group"][split_rows(videos, 1, "train")]) == {1, 2, 3, 4}
    assert videos.class_names == tuple(CLASSES) and videos.index["label"].tolist() == np.repeat(range(8), 5).tolist()


def test_samples_are_test_videos_and_what_is_there_stays(tmp_path):
    assert write_samples(tmp_path / "new") == tmp_path / "new"
    files = {path.name: path for path in (tmp_path / "new").iterdir()}
    assert sorted(files) == ["v_stagger_left_g05_c00.avi", "v_walk_left_g05_c00.avi"]
    assert files["v_walk_left_g05_c00.avi"].read_bytes() == draw_video("walk_left", 0, 5, 0)
    files["v_walk_left_g05_c00.avi"].write_text("mine")
    write_samples(tmp_path / "new")
    assert files["v_walk_left_g05_c00.avi"].read_text() == "mine"


@pytest.mark.slow
def test_two_processes_may_prepare_the_same_data_set_at_once(tmp_path):
    code = f"from r3d_jax.data.demo import Demo; print(len(Demo(data_dir={str(tmp_path)!r}, groups=5).load().records))"
    command = [sys.executable, "-c", code]
    processes = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in processes:
        printed, _ = process.communicate(timeout=120)
        assert process.returncode == 0 and printed.endswith("80\n")
    assert not list(tmp_path.rglob("incomplete*"))
