"""A run's tests, and its end."""

import runpy
from pathlib import Path

import jax
import numpy as np
import pytest

from r3d_jax.training import from_config, testing
from r3d_jax.training.loop import run
from r3d_jax.training.metrics_log import read
from r3d_jax.weights.early_stop import ended_early
from r3d_jax.weights.load import load

pytestmark = pytest.mark.slow

TINY = Path(__file__).parents[1] / "tiny.py"


@pytest.fixture
def tested(demo_videos, monkeypatch):
    """Runs tests/tiny.py for six epochs of as few steps, whose tests have the given accuracies in turn."""

    def train(workdir, devices, patience, accuracies):
        config = runpy.run_path(str(TINY))["get_config"]()
        config.train.epochs, config.train.videos_per_epoch, config.eval.every = 6, 4, 1
        config.train.patience, config.train.log_every = patience, 2
        summaries = [
            {
                "videos": 8,
                "clips": 16,
                "loss": 2 - a,
                "video_top1": a,
                "clip_top1": a,
                "missing": 0,
                "mean_class_accuracy": a,
            }
            | {"untested_classes": 0}
            for a in accuracies
        ]
        monkeypatch.setattr(from_config, "load_videos", lambda _: demo_videos)
        monkeypatch.setattr(testing, "run_test", lambda *_: summaries.pop(0))
        assert run(config, workdir, devices) == 0 and not summaries
        return load(workdir).variables

    return train


def same(first, second):
    return all(jax.tree.leaves(jax.tree.map(np.array_equal, first, second)))


def test_a_run_that_ends_early_gives_its_best_and_can_go_on(tested, devices, tmp_path, capsys):
    here = tmp_path / "run"
    found = tested(here, devices, 2, (0.25, 0.75, 0.5, 0.625))
    printed = capsys.readouterr().out
    assert "Ended early, after 4 of 6 epochs: the last 2 tests brought nothing better." in printed
    assert "its best checkpoint, that of epoch 2;" in printed
    assert "75.0% of 8 test videos, 95 % interval 40.9% to 92.9%; always answering " in printed
    assert ended_early(here) and same(found, load(here, "best").variables)
    assert [path.name for path in (here / "checkpoints" / "best").iterdir()] == ["2"]

    assert same(tested(here, devices, 2, (0.75,)), found)  # the same command tests it again
    printed = capsys.readouterr().out
    assert "This run ended early (4 epochs); testing its best checkpoint." in printed and "Training" not in printed

    last = tested(here, devices, 0, (0.5, 0.5))  # without patience, it goes on where it was
    assert not ended_early(here) and "train.patience: 2 when the run was started, 0 now" in capsys.readouterr().out
    whole = tested(tmp_path / "whole", devices, 0, (0.25, 0.75, 0.5, 0.625, 0.5, 0.5))
    assert same(last, whole) and not same(last, found)
    assert [row["step"] for row in read(here)] == [row["step"] for row in read(tmp_path / "whole")]


def test_a_run_killed_at_its_early_end_ends_there(tested, devices, tmp_path, monkeypatch):
    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(testing, "conclude", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        tested(tmp_path / "run", devices, 1, (0.5, 0.25))
    assert not ended_early(tmp_path / "run")
    found = tested(tmp_path / "run", devices, 1, (0.5,))
    assert ended_early(tmp_path / "run") and same(found, load(tmp_path / "run", "best").variables)
