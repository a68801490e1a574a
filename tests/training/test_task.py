import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from videos import encode, frames_of, video_set

from r3d_jax.config import FinetuneConfig, OptimConfig
from r3d_jax.errors import InputError
from r3d_jax.training import from_config, task
from r3d_jax.training.task import prepare
from r3d_jax.weights.run_files import read_config

TINY = Path(__file__).parents[1] / "tiny.py"


@pytest.fixture
def config(monkeypatch):
    """tests/tiny.py on nine videos, of two shapes, seven of them for training; what can be chosen is left open."""
    sizes = [(20, 30)] * 7 + [(20, 30), (40, 20)]
    made = video_set([encode(frames_of(5, *size)) for size in sizes], [0, 0, 0, 0, 0, 1, 1, 1, 1])
    videos = made._replace(index=made.index | {"fold1": np.array(["train"] * 7 + ["test"] * 2)})
    monkeypatch.setattr(from_config, "load_videos", lambda _: videos)
    config = runpy.run_path(str(TINY))["get_config"]()
    config.optim = OptimConfig(schedule="cosine", learning_rates=(), warmup_epochs=1.0)
    config.train = replace(config.train, epochs=0, batch_size=0, videos_per_epoch=0)
    return config


def test_what_is_left_open_is_chosen_told_and_kept(config, devices, tmp_path, capsys, monkeypatch):
    found = prepare(config, tmp_path, devices)
    assert (
        "Chosen for 7 training videos: train.epochs=80, train.batch_size=8, optim.learning" in capsys.readouterr().out
    )
    kept = read_config(tmp_path)
    assert (kept.train.epochs, kept.train.batch_size, kept.optim.learning_rates) == (80, 8, (0.005, 0.00005))
    assert found.config.train == kept.train and found.total_steps == 80 and len(found.pace.learning_rates) == 80
    monkeypatch.setattr(task.choose, "RATES", {"sgd": 1.0})  # a later version, say
    again = prepare(config, tmp_path, devices)
    assert again.config.optim.learning_rates == (0.005, 0.00005)
    config.train.epochs = 9
    with pytest.raises(
        InputError, match=r"train.epochs: 80 there, 9 now\n(.|\n)*to train for longer, begin .*`finetune.so"
    ):
        prepare(config, tmp_path, devices)


def test_the_batch_is_what_the_memory_takes(config, devices, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(task, "activations", lambda model, shape: asked.append(shape) or 1000)
    monkeypatch.setattr(task, "memory_of", lambda device: 2 * 12 * 1000 * 2 + 1)  # half of it takes two clips
    assert prepare(config, tmp_path, devices).config.train.batch_size == 4  # on two devices
    assert asked == [(4, 16, 16)]


def test_what_a_test_clip_costs_and_which_answer_never_changes(config, devices, tmp_path):
    found = prepare(config, tmp_path / "whole", devices)
    assert found.test_clip == pytest.approx((1.5 + 2) / 2)  # frames of 16x24 and 32x16, for crops of 16x16
    assert [each.share for each in found.commonest] == [5 / 7, 0]
    config.clip = replace(config.clip, crops=3, test_size=32)
    assert prepare(config, tmp_path / "crops", devices).test_clip == 1


def test_the_head_comes_first_for_whole_epochs(config, devices, tmp_path):
    found = prepare(config, tmp_path, devices)
    assert found.head_steps == 0 and not found.ema
    config = replace(found.config, finetune=FinetuneConfig(source="there", head_first=0.19))
    assert found._replace(config=config).head_steps == 15
