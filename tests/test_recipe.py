"""Everything that may be set of losses, optimiser, sampling and averages, in one run: resumed, and on two devices."""

import runpy
from functools import partial
from pathlib import Path

import jax
import numpy as np
import optax
import pytest

from r3d_jax.config import AugmentConfig, OptimConfig, TrainConfig
from r3d_jax.training import from_config, loop
from r3d_jax.training.devices import split_over
from r3d_jax.training.logs import Progress
from r3d_jax.training.loop import run
from r3d_jax.training.metrics_log import read
from r3d_jax.training.task import prepare
from r3d_jax.weights.checkpoint import Checkpoints
from r3d_jax.weights.load import load

pytestmark = pytest.mark.slow

TINY = Path(__file__).parent / "tiny.py"


@pytest.fixture
def config(data_dir, demo_videos):
    """Two epochs of four steps: eight clips, two of each video, in two parts on each of two devices."""
    config = runpy.run_path(str(TINY))["get_config"]()
    config.data.data_dir = str(data_dir)
    config.model.blocks, config.model.pool = (1,), (0, 0, 0)
    config.augment = AugmentConfig(
        repeats=2,
        strides=(1, 2),
        area=(0.3, 1.0),
        operations=1,
        jitter=(0.2, 0.2, 0.2, 0.1),
        erase=0.3,
        mixup=0.4,
        cutmix=1.0,
    )
    config.optim = OptimConfig(
        name="adamw",
        schedule="cosine",
        learning_rates=(0.01, 0.0001),
        warmup_epochs=0.5,
        betas=(0.8, 0.99),
        weight_decay=0.05,
        clip_norm=0.5,
        layer_decay=0.8,
    )
    config.train = TrainConfig(
        epochs=2,
        batch_size=8,
        videos_per_epoch=16,
        balanced_sampling=True,
        label_smoothing=0.1,
        class_weights="balanced",
        ema_decay=0.9,
        precise_bn_batches=2,
        gradient_accumulation=2,
        log_every=1,
        checkpoint_minutes=0,
    )
    config.eval.every = 1
    return config


def everything_of(folder, config, devices):
    """The newest checkpoint's state, and the variables of both kinds."""
    task = prepare(config, folder, devices)
    like = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), loop.abstract_state(task.model, task.tx, ema=task.ema))
    with Checkpoints(folder / "checkpoints") as checkpoints:
        state = checkpoints.restore(like)
    return state, load(folder).variables, load(folder, "best").variables


def untimed(folder):
    """The rows of a run without what a clock has measured."""
    return [{n: v for n, v in row.items() if n not in ("clips_per_second", "data_wait")} for row in read(folder)]


def test_all_of_it_in_one_run_is_the_same_bit_for_bit_when_it_is_broken_off(config, devices, tmp_path, monkeypatch):
    assert run(config, tmp_path / "whole", devices) == 0
    save = loop._save

    def break_off(at, checkpoints, state, *rest, **options):
        save(checkpoints, state, *rest, **options)
        if int(state.step) == at:
            raise KeyboardInterrupt

    for at in (2, 4):  # within an epoch, and between its end and its test
        monkeypatch.setattr(loop, "_save", partial(break_off, at))
        with pytest.raises(KeyboardInterrupt):
            run(config, tmp_path / "broken", devices)
        monkeypatch.undo()
    assert run(config, tmp_path / "broken", devices) == 0

    whole, broken = (everything_of(tmp_path / name, config, devices) for name in ("whole", "broken"))
    assert int(whole[0].step) == 8 and whole[0].averaged is not None
    assert jax.tree.structure(whole) == jax.tree.structure(broken)
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, whole, broken)))
    assert untimed(tmp_path / "whole") == untimed(tmp_path / "broken")
    state, last, _ = whole
    # What is used are averaged weights, with statistics that are neither training's own nor their average.
    for kind in ("params", "batch_stats"):
        assert not jax.tree.all(jax.tree.map(np.array_equal, last[kind], getattr(state, kind)))
    assert jax.tree.all(jax.tree.map(np.array_equal, last["params"], state.averaged["params"]))
    assert not jax.tree.all(jax.tree.map(np.array_equal, last["batch_stats"], state.averaged["batch_stats"]))


def test_two_devices_are_one(config, devices, tmp_path, monkeypatch):
    """Two devices with one part each, and one device with the same clips in two parts, over three steps."""
    config.optim.learning_rates, config.optim.warmup_epochs = (0.05, 0.01), 0.0
    config.optim.epsilon, config.model.dropout = 0.1, 0.0  # small gradients make small steps, and no chaos
    monkeypatch.setattr(from_config, "class_weights", lambda *_: tuple(range(1, 9)))
    config.augment.repeats = 1  # so that the devices have other labels
    ends = []
    for count in (1, 2):
        config.train.gradient_accumulation, config.train.sync_batch_norm = 2 // count, False
        task = prepare(config, tmp_path / str(count), devices[:count])
        state = start = loop._initial_state(task, None)
        start, compiled = jax.device_get(start), None
        for k in range(3):
            batch = {n: x for n, x in task.train[k].items() if n in ("clip", "label", "other", "weight")}
            batch = split_over(batch, task.devices)
            with Progress(1, unit="step", label="") as progress:
                compiled = compiled or loop._compile(task, state, batch, k, progress)
            (state, _), _ = compiled(state, batch)
        ends.append(jax.device_get(state))
    one, two = ends
    for own, other in ((one.params, two.params), (one.averaged["params"], two.averaged["params"])):
        apart, moved = (jax.tree.map(np.subtract, own, than) for than in (other, start.params))
        assert optax.tree.norm(apart) < 1e-3 * optax.tree.norm(moved)
