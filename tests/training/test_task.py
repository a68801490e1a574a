import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from r3d_jax.config import AugmentConfig, Config, TrainConfig
from r3d_jax.training.task import Task, prepare

TINY = Path(__file__).parents[1] / "tiny.py"


def test_a_run_has_the_steps_of_all_epochs():
    nothing = dict.fromkeys(Task._fields)
    task = Task(**nothing | {"config": replace(Config(), train=TrainConfig(epochs=3)), "train": range(7)})
    assert task.total_steps == 21 and not task.ema


@pytest.mark.slow
def test_a_task_has_what_the_configuration_asks_for(demo_videos, data_dir, devices, tmp_path):
    config = runpy.run_path(str(TINY))["get_config"]()
    config.data.data_dir, config.augment = str(data_dir), AugmentConfig(repeats=2)
    config.train.ema_decay = 0.5
    task = prepare(config, tmp_path / "run", devices)
    assert len(task.train) == 7 and task.total_steps == 3 * 7  # 14 videos, two clips of each in batches of four
    assert task.ema and len(task.class_names) == 8
