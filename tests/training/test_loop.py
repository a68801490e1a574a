import runpy
from pathlib import Path

import pytest

from r3d_jax.errors import InputError
from r3d_jax.training import task
from r3d_jax.training.loop import run
from r3d_jax.training.record import read

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
    """Of a run of two steps on 64 videos, of which some can be damaged."""

    def make(damaged_train, damaged_test, max_broken):
        folds = demo_videos.index["fold1"]
        rows = {split: [i for i, its in enumerate(folds) if its == split] for split in ("train", "test")}
        damaged = {*rows["train"][:damaged_train], *rows["test"][:damaged_test]}
        videos = demo_videos._replace(records=Damaged(demo_videos.records, damaged))
        monkeypatch.setattr(task, "load_videos", lambda _: videos)
        config = runpy.run_path(str(TINY))["get_config"]()
        config.data.data_dir, config.data.max_broken = str(data_dir), max_broken
        config.train.epochs, config.train.videos_per_epoch, config.train.batch_size = 1, 0, 256
        config.optim.milestones, config.optim.learning_rates = (), (0.02,)
        config.eval.videos = 0
        return config

    return make


def test_videos_that_cannot_be_read_are_replaced_in_training_and_missing_in_testing(config, devices, tmp_path, capsys):
    assert run(config(3, 2, 0.01), tmp_path / "run", devices) == 0
    printed = capsys.readouterr().out
    assert printed.count("cannot be read (") == 3
    assert "3 clips of 3 videos that cannot be read were replaced:\n  v_" in printed
    assert "2 test videos cannot be read and are not counted:\n  v_" in printed
    assert "of 126 videos (2 missing); clip-level" in printed
    assert [row["missing"] for row in read(tmp_path / "run") if row["kind"] == "eval"] == [2]


def test_more_than_a_hundredth_of_them_end_the_run(config, devices, tmp_path):
    with pytest.raises(InputError, match=r"\d+ of the training videos cannot be read, more than the share") as stopped:
        run(config(40, 0, 0.01), tmp_path / "run", devices)
    assert str(stopped.value).count("\n  v_") > 5
    assert list((tmp_path / "run" / "checkpoints" / "last").iterdir())  # what was trained is kept
