import subprocess
import sys
from pathlib import Path

import numpy as np

from r3d_jax.data.demo import CLASSES, PLACES, draw_video
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


def test_whole_groups_are_held_out(demo_videos):
    groups = {split: set(demo_videos.index["group"][split_rows(demo_videos, 1, split)]) for split in ("train", "test")}
    assert groups["train"] | groups["test"] == set(range(1, 41)) and not groups["train"] & groups["test"]
    test = demo_videos.index["label"][split_rows(demo_videos, 1, "test")]
    assert np.bincount(test).tolist() == [16] * 8


def test_two_processes_may_prepare_the_same_data_set_at_once(tmp_path):
    code = f"from r3d_jax.data.demo import Demo; print(len(Demo(data_dir={str(tmp_path)!r}, groups=5).load().records))"
    command = [sys.executable, "-c", code]
    processes = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in processes:
        printed, _ = process.communicate(timeout=120)
        assert process.returncode == 0 and printed.endswith("80\n")
    assert not list(tmp_path.rglob("incomplete*"))
