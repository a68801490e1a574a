import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from videos import encode, frames_of

from r3d_jax.config import DataConfig
from r3d_jax.data.sampling import split_rows, spread_over_classes
from r3d_jax.errors import InputError
from r3d_jax.training import from_config
from r3d_jax.training.loop import run
from r3d_jax.training.metrics_log import read

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
