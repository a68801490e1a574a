import runpy
from pathlib import Path

import numpy as np
import pytest

from r3d_jax.config import AugmentConfig
from r3d_jax.training.task import prepare

pytestmark = pytest.mark.slow

TINY = Path(__file__).parents[1] / "tiny.py"


def test_a_task_has_what_the_configuration_asks_for(demo_videos, data_dir, devices, tmp_path):
    config = runpy.run_path(str(TINY))["get_config"]()
    config.data.data_dir, config.augment = str(data_dir), AugmentConfig(mixup=0.4, repeats=2)
    config.train.class_weights, config.train.ema_decay = "balanced", 0.5
    task = prepare(config, tmp_path / "run", devices)
    assert len(task.train) == 7 and task.total_steps == 3 * 7  # 14 videos, two clips of each in batches of four
    assert len(task.class_weights) == len(task.class_names) == 8 and task.ema
    mixed, unmixed = task.train[0], task.unmixed[0]
    assert "other" in mixed and "other" not in unmixed
    np.testing.assert_array_equal(mixed["label"], unmixed["label"])
    config.train.class_weights, config.train.ema_decay = "none", 0.0
    task = prepare(config, tmp_path / "other", devices)
    assert task.class_weights == () and not task.ema
