from pathlib import Path

import grain
import numpy as np
import pytest

from r3d_jax.config import Config, EvalConfig, FinetuneConfig, TrainConfig
from r3d_jax.data.batches import Batches
from r3d_jax.training import time_left
from r3d_jax.training.task import Task
from r3d_jax.training.time_left import TimeLeft, describe, duration
from r3d_jax.video.clips import ClipSpec


def task(**changes):
    """40 epochs of 10 steps of 8 clips; after every 5 epochs, 20 videos of 3 clips, twice as large."""
    config = Config(
        clip=ClipSpec(views=3), train=TrainConfig(epochs=40, batch_size=8), eval=EvalConfig(every=5), **changes
    )
    train, test = (
        Batches(grain.MapDataset.range(count), count, np.array([]), videos) for count, videos in ((10, 80), (20, 20))
    )
    unasked = dict.fromkeys(set(Task._fields))
    return Task(**unasked | {"config": config, "train": train, "test": test, "test_clip": 2.0, "workdir": Path()})


def test_what_is_left_is_training_and_every_test_at_a_third_of_its_cost():
    # 300 steps of 3 s; tests after epochs 15, 20, 25, 30, 35 and 40, of 60 clips: 6 * 60 / 8 * 2 * 3 / 3 = 90 s.
    assert describe(task(), 100, 3.0) == "about 16 minutes to go in all: 15 minutes of training and 2 minutes of tests"


def test_a_head_that_is_trained_alone_is_no_measure_of_the_rest():
    # Of 200 s each step: 50 of the head, then 300 of thrice that.
    told = describe(task(finetune=FinetuneConfig(source="there", head_first=0.25)), 50, 0.2)
    assert "to go in all: 3 minutes of training and" in told  # 50 * 0.2 + 300 * 0.6 = 190 s
    after = describe(task(finetune=FinetuneConfig(source="there", head_first=0.25)), 150, 0.6)
    assert "2 minutes of training" in after  # 250 * 0.6 = 150 s


@pytest.mark.parametrize(
    "seconds, text",
    [
        (1.2, "1 second"),
        (59.4, "59 seconds"),
        (59.7, "1 minute"),
        (170, "3 minutes"),
        (3599, "1 hour"),
        (5000, "1 hour 23 minutes"),
        (7200, "2 hours"),
        (90_000, "1 day 1 hour"),
    ],
)
def test_durations_are_rounded(seconds, text):
    assert duration(seconds) == text


def test_it_is_told_once_after_steps_in_a_row(monkeypatch, capsys):
    clock = iter(range(100))
    monkeypatch.setattr(time_left.time, "monotonic", lambda: next(clock) * 10.0)
    left = TimeLeft(task())
    for step in (1, 2, 3):
        left.tell(step)
    left.restart()  # a test
    for step in range(4, 9):
        left.tell(step)
    assert not capsys.readouterr().out
    for step in range(9, 30):
        left.tell(step)
    (line,) = capsys.readouterr().out.splitlines()
    assert line == describe(task(), 9, 10.0 / 5)
