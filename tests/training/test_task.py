from dataclasses import replace

from r3d_jax.config import Config, TrainConfig
from r3d_jax.training.task import Task


def test_a_run_has_the_steps_of_all_epochs():
    nothing = dict.fromkeys(Task._fields)
    task = Task(**nothing | {"config": replace(Config(), train=TrainConfig(epochs=3)), "train": range(7)})
    assert task.total_steps == 21
