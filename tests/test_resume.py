"""Stopped anywhere by anything, a run ends where an uninterrupted one ends, bit for bit."""

import os
import random
import signal
import time

import jax
import numpy as np
import pytest
from children import Child

from r3d_jax.models.classifier import build
from r3d_jax.training.metrics_log import read
from r3d_jax.training.optim import sgd
from r3d_jax.training.state import init_state
from r3d_jax.video.clips import ClipSpec
from r3d_jax.weights.run import restore

pytestmark = pytest.mark.slow

TOTAL = 12
SIGNALS = [signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGHUP]


def final_state(workdir):
    model = build("r3d_18", 8, blocks=(1, 1), planes=4, stem_planes=4, pool=(2, 4, 4), dropout=0.2)
    tx = sgd(lambda _: 0.02, nesterov=True)
    clip = ClipSpec(frames=4, crop=16, train_sizes=(16, 16))
    return jax.device_get(restore(workdir, init_state(model, tx, seed=1, clip=clip)))


def steps_in(workdir):
    return max((row["step"] for row in read(workdir)), default=0)


def start(workdir, data_dir):
    options = ["--config=tests/tiny.py", f"--workdir={workdir}", f"--config.data.data_dir={data_dir}"]
    return Child(options, workdir.with_suffix(".txt"))


def test_five_interruptions_leave_no_trace(tiny_run, data_dir, tmp_path):
    chance = random.Random(os.environ.get("R3D_JAX_TEST_SEED", "1"))
    done = 0
    for number in SIGNALS:
        # In one of the next two steps, so that five interruptions fit into the run.
        target = done + chance.randint(1, 2)
        resumable = any(path.name.isdigit() for path in (tmp_path / "checkpoints" / "last").glob("*"))
        process = start(tmp_path, data_dir)
        while steps_in(tmp_path) < target and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(number)
        status, printed = process.end()
        if number == signal.SIGKILL:
            assert status == -number, printed
        else:
            assert status == 128 + number, printed
            assert f"Stopped by {number.name}; the same command resumes this run." in printed
        assert ("Resuming" in printed) == resumable or number == signal.SIGKILL, printed
        done = steps_in(tmp_path)
        assert done < TOTAL, "the run was over before it was interrupted"
    status, printed = start(tmp_path, data_dir).end()
    assert status == 0 and "Resuming" in printed, printed
    expected, found = final_state(tiny_run[0]), final_state(tmp_path)
    assert int(expected.step) == int(found.step) == TOTAL
    differing = jax.tree.map(lambda a, b: not np.array_equal(a, b), expected, found)
    assert not any(jax.tree.leaves(differing)), differing
    assert untimed(tiny_run[0]) == untimed(tmp_path)
    assert not list(tmp_path.rglob("*-tmp")) and not (tmp_path / ".lock").exists()


def untimed(workdir):
    """The rows of a run without what a clock has measured."""
    timings = ("clips_per_second", "data_wait")
    return [{name: value for name, value in row.items() if name not in timings} for row in read(workdir)]
