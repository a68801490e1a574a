import numpy as np
import pytest

from r3d_jax.config import Config, TrainConfig
from r3d_jax.errors import InputError
from r3d_jax.training.logs import Progress
from r3d_jax.training.loop import Task
from r3d_jax.training.metrics_log import MetricsLog, read
from r3d_jax.training.throughput import Throughput


@pytest.fixture
def meter(tmp_path):
    fields = dict.fromkeys(Task._fields) | {"learning_rates": 0.1 / np.arange(1, 9), "steps_per_epoch": 4}
    task = Task(**fields | {"config": Config(train=TrainConfig(log_every=3, batch_size=8))})
    with Progress(6, unit="step", label="Training") as progress, MetricsLog(tmp_path, 0) as rows:
        yield Throughput(task, progress, rows)


def metrics(loss):
    return {"loss": np.float32(loss), "accuracy": np.float32(0.5)}


def test_rows_are_means_read_one_step_late(meter, tmp_path, capsys):
    for step in range(1, 4):
        meter.add(step, metrics(step))
    assert not read(tmp_path)
    meter.flush()
    (row,) = read(tmp_path)
    assert (row["step"], row["epoch"], row["loss"], row["accuracy"]) == (3, 0.75, 2.0, 0.5)
    assert row["learning_rate"] == pytest.approx(0.1 / 3)
    assert row["clips_per_second"] > 0 and 0 <= row["data_wait"] <= 1
    assert "Training 3/6: loss 2.000, lr 0.0333333, top-1 50.0%" in capsys.readouterr().out


def test_waiting_for_data_is_counted(meter, tmp_path):
    def slow():
        import time

        for step in range(3):
            time.sleep(0.05)
            yield step

    for step in meter.timed(slow()):
        meter.add(step + 1, metrics(1))
    meter.flush()
    assert read(tmp_path)[0]["data_wait"] > 0.5


@pytest.mark.parametrize("loss", [np.nan, np.inf])
def test_a_diverged_run_stops_with_the_reason(meter, loss):
    meter.add(1, metrics(1))
    meter.add(2, metrics(loss))
    with pytest.raises(InputError, match=r"the loss of step 2 is .*lower `optim.learning_rates`"):
        meter.flush()
