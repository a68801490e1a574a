import re
import runpy
import shutil
from collections import namedtuple
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from videos import encode, frames_of

from r3d_jax.config import DataConfig
from r3d_jax.data.sampling import split_rows, spread_over_classes
from r3d_jax.errors import InputError
from r3d_jax.files import occupied
from r3d_jax.training import from_config, loop, testing
from r3d_jax.training.loop import run
from r3d_jax.training.metrics_log import read
from r3d_jax.weights.checkpoint import Checkpoints
from r3d_jax.weights.load import load

pytestmark = pytest.mark.slow

TINY = Path(__file__).parents[1] / "tiny.py"


class Damaged:
    """Records of which some hold no video."""

    def __init__(self, records, rows):
        self.records, self.rows = records, rows

    def __len__(self):
        return len(self.records)

    def __getitem__(self, row):
        return self.records[row] | ({"video": b"gone"} if row in self.rows else {})


@pytest.fixture
def config(demo_videos, data_dir, monkeypatch):
    """tests/tiny.py, whose step may be compiled already, with some of the first videos that it reads damaged."""

    def make(damaged_train, damaged_test):
        config = runpy.run_path(str(TINY))["get_config"]()
        config.data.data_dir, seed = str(data_dir), config.train.seed
        train, test = (split_rows(demo_videos, 1, split) for split in ("train", "test"))
        first = train[np.random.default_rng([seed, 0]).permutation(len(train))]
        drawn = spread_over_classes(demo_videos.index["label"], test, config.eval.videos, seed)
        damaged = {*first[:damaged_train].tolist(), *drawn[:damaged_test].tolist()}
        videos = demo_videos._replace(records=Damaged(demo_videos.records, damaged))
        monkeypatch.setattr(from_config, "load_videos", lambda _: videos)
        return config

    return make


def test_videos_that_cannot_be_read_are_replaced_in_training_and_missing_in_testing(config, devices, tmp_path, capsys):
    assert run(config(3, 2), tmp_path / "run", devices) == 0
    printed = capsys.readouterr().out
    assert printed.count("others of its class take its place") == 3
    assert re.search(r"\d+ clips of 3 videos that cannot be read were replaced:(\n  v_\S+: \S.*){3}", printed)
    assert printed.count("2 test videos cannot be read and are not counted:\n  v_") == 2  # after two and three epochs
    assert "of 3 videos (drawn from 128) (2 missing); clip-level" in printed
    assert [row["missing"] for row in read(tmp_path / "run") if row["kind"] == "eval"] == [2, 2]


def test_more_than_a_hundredth_of_them_end_the_run(config, devices, tmp_path):
    with pytest.raises(InputError, match=r"[678] of the training videos .*, more than `max_broken` allows") as stopped:
        run(config(14, 0), tmp_path / "run", devices)
    assert str(stopped.value).count("\n  v_") > 5
    assert list((tmp_path / "run" / "checkpoints" / "last").iterdir())  # what was trained is kept


def test_videos_of_one_class_are_refused_before_training(config, devices, tmp_path, monkeypatch):
    settings = config(0, 0)
    monkeypatch.undo()
    one = tmp_path / "videos" / "only"
    one.mkdir(parents=True)
    for i in range(5):
        (one / f"{i}.avi").write_bytes(encode(frames_of(8)))
    settings.data = DataConfig(name="video_folder", source=str(one.parent), data_dir=str(tmp_path))
    with pytest.raises(InputError, match=r"all videos of video_folder are of one class \(only\).*at least one other"):
        run(settings, tmp_path / "run", devices)
    assert not (tmp_path / "run").exists()


def test_a_row_of_several_steps_is_the_same_after_a_break(config, devices, tiny_run, tmp_path, monkeypatch):
    settings = config(0, 0)
    settings.train.log_every, save = 3, loop._save

    def break_off(checkpoints, state, kind="last", notes=None):
        save(checkpoints, state, kind, notes)
        if int(state.step) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "_save", break_off)
    with pytest.raises(KeyboardInterrupt):
        run(settings, tmp_path / "run", devices)
    monkeypatch.undo()
    assert run(settings, tmp_path / "run", devices) == 0
    losses = {row["step"]: row["loss"] for row in read(tiny_run[0]) if row["kind"] == "train"}
    expected = {step: sum(losses[i] for i in range(step - 2, step + 1)) / 3 for step in (3, 6, 9, 12)}
    assert {row["step"]: row["loss"] for row in read(tmp_path / "run") if row["kind"] == "train"} == expected


def everything(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_second_run_in_a_folder_is_refused_before_it_touches_anything(config, devices, tiny_run, tmp_path):
    shutil.copytree(tiny_run[0], tmp_path / "run")
    with occupied(tmp_path / "run"):
        before = everything(tmp_path)
        with pytest.raises(InputError, match=r"run is in use by process \d+ on "):
            run(config(0, 0), tmp_path / "run", devices)
        assert everything(tmp_path) == before
        assert load(tmp_path / "run").class_names  # which one that is trained stays open to


def test_what_killed_processes_have_left_is_removed_and_told(config, devices, tiny_run, tmp_path, capsys):
    shutil.copytree(tiny_run[0], tmp_path / "run")
    left = tmp_path / "run" / "checkpoints" / "last" / "13.orbax-checkpoint-tmp"
    (left / "variables").mkdir(parents=True)
    assert run(config(0, 0), tmp_path / "run", devices) == 0
    assert not left.exists() and ".lock" not in {path.name for path in (tmp_path / "run").iterdir()}
    said = "Removed what killed processes have left of checkpoints: 13.orbax-checkpoint-tmp\n"
    assert said in capsys.readouterr().out


def test_a_run_that_diverges_late_keeps_sound_checkpoints(config, devices, tmp_path, monkeypatch):
    compiled = loop._compile

    def poisoned(*arguments):
        step = compiled(*arguments)

        def diverge(state, batch):
            (state, metrics), stop = step(state, batch)
            if int(state.step) == 6:
                state = state._replace(params=jax.tree.map(lambda x: x * jnp.nan, state.params))
            return (state, metrics), stop

        return diverge

    monkeypatch.setattr(loop, "_compile", poisoned)
    settings = config(0, 0)
    settings.eval.every = 1
    for _ in range(2):  # the same when it is resumed
        with pytest.raises(InputError, match=r"^after step 6, params/.* is not finite: training has diverged, and"):
            run(settings, tmp_path / "run", devices)
        folder = tmp_path / "run" / "checkpoints"
        assert {path.name for path in folder.glob("*/*")} == {"4", "5"} and (folder / "best" / "4").exists()
        for checkpoint in ("last", "best"):
            leaves = jax.tree.leaves(load(tmp_path / "run", checkpoint).variables)
            assert all(np.isfinite(leaf).all() for leaf in leaves)


def test_a_test_without_a_finite_loss_is_neither_written_nor_the_best(config, devices, tmp_path, monkeypatch):
    monkeypatch.setattr(testing, "run_test", lambda *_: {"loss": float("nan"), "video_top1": 1.0, "videos": 5})
    settings = config(0, 0)
    settings.eval.every = 1
    with pytest.raises(InputError, match=r"^the loss of the test after epoch 1 is nan: training has diverged"):
        run(settings, tmp_path / "run", devices)
    assert not [row for row in read(tmp_path / "run") if row["kind"] == "eval"]
    assert not list((tmp_path / "run" / "checkpoints" / "best").iterdir())


def test_a_disk_without_room_for_the_checkpoints_is_refused_before_training(config, devices, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: namedtuple("Usage", "free")(2**20))
    said = r"what this run keeps of checkpoints needs about 1.\d MiB in .*run, and 1.0 MiB are free; make room, or name"
    with pytest.raises(InputError, match=said):
        run(config(0, 0), tmp_path / "run", devices)
    assert not read(tmp_path / "run")


def test_a_disk_that_fills_up_is_one_message(config, devices, tmp_path, monkeypatch):
    def full(*_):
        raise ValueError('RESOURCE_EXHAUSTED: Error writing local file "d": No space left on device')

    monkeypatch.setattr(Checkpoints, "save", full)
    said = r"^.*run: No space left on device; a checkpoint needs 0.\d MiB, and .* MiB are free; make room .*, and the"
    with pytest.raises(InputError, match=said):
        run(config(0, 0), tmp_path / "run", devices)


def test_a_loss_that_is_not_finite_names_the_videos_of_its_batch(config, devices, demo_videos, tmp_path, monkeypatch):
    compiled = loop._compile

    def poisoned(*arguments):
        step = compiled(*arguments)

        def diverge(state, batch):
            (state, metrics), stop = step(state, batch)
            return (state, metrics | {"loss": metrics["loss"] * (jnp.nan if int(state.step) == 3 else 1)}), stop

        return diverge

    monkeypatch.setattr(loop, "_compile", poisoned)
    settings = config(0, 0)
    with pytest.raises(InputError, match=r"^the loss of step 3 is nan: training has diverged") as stopped:
        run(settings, tmp_path / "run", devices)
    monkeypatch.undo()
    rows = split_rows(demo_videos, 1, "train")
    order = np.random.default_rng([settings.train.seed, 0]).permutation(len(rows))  # of the first epoch
    names = demo_videos.index["name"][rows[order[8:12]]]  # of its third batch of four
    assert str(stopped.value).endswith("one may be at fault:" + "".join(f"\n  {name}" for name in names))
    assert {path.name for path in (tmp_path / "run" / "checkpoints" / "last").iterdir()} <= {"1", "2"}
