import json

import numpy as np
import pytest

from r3d_jax.errors import InputError
from r3d_jax.training.logs import Progress
from r3d_jax.training.metrics_log import MetricsLog, read
from r3d_jax.training.throughput import Pace, Throughput


@pytest.fixture
def throughput(tmp_path):
    pace = Pace(0.1 / np.arange(1, 9), steps_per_epoch=4, batch_size=8, log_every=3)
    with Progress(6, unit="step", label="Training") as progress, MetricsLog(tmp_path, 0) as log:
        yield Throughput(pace, progress, log)


def metrics(loss):
    return {"loss": np.float32(loss), "accuracy": np.float32(0.5)}


def test_rows_are_means_read_one_step_late(throughput, tmp_path, capsys):
    for step in range(1, 4):
        throughput.add(step, metrics(step))
    assert not read(tmp_path)
    throughput.flush()
    (row,) = read(tmp_path)
    assert (row["step"], row["epoch"], row["loss"], row["accuracy"]) == (3, 0.75, 2.0, 0.5)
    assert row["learning_rate"] == pytest.approx(0.1 / 3)
    assert row["clips_per_second"] > 0 and 0 <= row["data_wait"] <= 1
    assert "Training 3/6: loss 2.000, lr 0.0333333, top-1 50.0%" in capsys.readouterr().out


def test_waiting_for_data_is_counted(throughput, tmp_path):
    def slow():
        import time

        for step in range(3):
            time.sleep(0.05)
            yield step

    for step in throughput.timed(slow()):
        throughput.add(step + 1, metrics(1))
    throughput.flush()
    assert read(tmp_path)[0]["data_wait"] > 0.5


def test_a_row_is_the_same_where_a_run_was_stopped_and_what_is_not_training_was_between(throughput, tmp_path):
    losses = [0.1, 0.7, 0.3]
    throughput.add(1, metrics(losses[0]))
    throughput.flush()
    throughput.restart()  # a test
    throughput.add(2, metrics(losses[1]))
    throughput.flush()
    kept = json.loads(json.dumps(throughput.sums))
    throughput.add(3, metrics(losses[2]))
    throughput.flush()
    with Progress(6, unit="step", label="Training") as progress, MetricsLog(tmp_path, 2) as log:
        assert not read(tmp_path)  # taken back
        resumed = Throughput(throughput._pace, progress, log, kept)
        resumed.add(3, metrics(losses[2]))
    (row,) = read(tmp_path)
    assert row["loss"] == sum(map(float, map(np.float32, losses))) / 3 and row["accuracy"] == 0.5
    assert resumed.sums == throughput.sums == {}


@pytest.mark.parametrize("loss", [np.nan, np.inf])
def test_a_diverged_run_stops_with_the_reason(throughput, loss):
    throughput.add(1, metrics(1))
    throughput.add(2, metrics(loss))
    with pytest.raises(InputError, match=r"the loss of step 2 is .*lower `optim.learning_rates`"):
        throughput.flush()
