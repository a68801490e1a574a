"""Two processes, one device each, are one run: the same parameters, an exact test, stopped and killed and resumed."""

import os
import signal
import socket
import time

import jax
import numpy as np
import pytest
from children import Child
from test_resume import TOTAL, final_state, steps_in, untimed


def start(workdir, data_dir):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--config=tests/tiny.py", f"--workdir={workdir}", f"--config.data.data_dir={data_dir}"]
    options += [f"--coordinator=127.0.0.1:{port}", "--processes=2"]
    flags = os.environ["XLA_FLAGS"].replace("count=2", "count=1", 1)
    return [Child([*options, f"--process={i}"], workdir.with_suffix(f".{i}.txt"), XLA_FLAGS=flags) for i in range(2)]


def end(processes):
    statuses, printed = zip(*(process.end() for process in processes))
    return list(statuses), printed


def wait_for(step, workdir, processes):
    while steps_in(workdir) < step and all(process.poll() is None for process in processes):
        time.sleep(0.002)


def has_a_name():
    """Whether this machine's own name leads to an address, by which the processes find each other."""
    try:
        return bool(socket.gethostbyname(socket.gethostname()))
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not has_a_name(), reason="this machine's host name does not resolve")
def test_two_processes_stopped_and_killed_end_where_one_ends(tiny_run, data_dir, tmp_path):
    processes = start(tmp_path, data_dir)
    wait_for(1, tmp_path, processes)
    processes[1].send_signal(signal.SIGTERM)  # told to one, both stop after the same step
    statuses, printed = end(processes)
    assert statuses == [1, 128 + signal.SIGTERM], printed
    assert "Stopped, since another process was asked to; the same commands resume this run." in printed[0]

    processes = start(tmp_path, data_dir)
    wait_for(6, tmp_path, processes)
    processes[1].send_signal(signal.SIGKILL)  # the other one notices, and does not wait
    statuses, printed = end(processes)
    assert statuses == [1, -signal.SIGKILL] and "Resuming" in printed[0], printed
    assert "error: the other processes are gone" in printed[0]

    statuses, printed = end(start(tmp_path, data_dir))
    assert statuses == [0, 0] and "Resuming" in printed[0], printed
    assert "Training" not in printed[1] and "test" not in printed[1]  # the first one speaks for all

    expected, found = final_state(tiny_run[0]), final_state(tmp_path)
    assert int(found.step) == TOTAL
    for one, other in zip(*map(jax.tree.leaves, (expected, found)), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-5 * np.abs(one).max())
    for one, other in zip(untimed(tiny_run[0]), untimed(tmp_path), strict=True):
        assert other.pop("kind") == one.pop("kind")
        assert other == pytest.approx(one, rel=1e-5)
