"""The order of things: steps, tests and checkpoints until the last epoch or a signal."""

import gc
import signal
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import jax
import numpy as np

from r3d_jax.config import Config, check
from r3d_jax.data.pipeline import read_ahead
from r3d_jax.errors import InputError
from r3d_jax.training import record
from r3d_jax.training.evaluate import describe
from r3d_jax.training.failures import Failures
from r3d_jax.training.meter import Meter
from r3d_jax.training.processes import agree, is_first
from r3d_jax.training.progress import Progress, say
from r3d_jax.training.record import Record, draw_curves
from r3d_jax.training.start import take_over
from r3d_jax.training.steps import abstract_state, init_state, pmap, replicate, split_over, train_step
from r3d_jax.training.task import set_up
from r3d_jax.weights.checkpoint import Checkpoints


def run(config: Config, workdir: Path, devices: list[jax.Device] | None = None) -> int:
    """Trains or resumes the run in `workdir`, or tests it where it is finished; the exit status.

    Stopped by a signal, it saves its state, and returns 128 + the signal's number.

    Raises:
      InputError: something that the user can put right.
    """
    devices = devices or jax.devices()
    check(config, len(devices), jax.process_count())
    received = []
    task = set_up(config, workdir, devices, stop=lambda: bool(received))
    with _signals(received), ExitStack() as opened:
        checkpoints = opened.enter_context(Checkpoints(workdir / "checkpoints")) if is_first() else None
        state = _start(task, checkpoints)
        step = int(state.step)
        rows = opened.enter_context(Record(workdir, step)) if is_first() else None
        if step and _test_due(task, step) and not agree(_tested(workdir, step)):
            _test(task, state, checkpoints, rows)
        elif step >= task.total_steps:
            _test_finished(task, state)
        finished = _train(task, state, checkpoints, rows, received)
    if received:
        say(f"Stopped by {signal.Signals(received[0]).name}; the same command resumes this run.")
        return 128 + received[0]
    if not finished:
        say("Stopped, since another process was asked to; the same commands resume this run.")
    return 0 if finished else 1


def _start(task, checkpoints):
    """The newest checkpoint's state or a fresh one, on all devices."""
    like = abstract_state(task.model, task.tx, jax.local_devices()[:1])
    state = checkpoints.restore(like) if checkpoints else None
    if agree(state is not None):
        state = agree(state or jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), like))
        say(f"Resuming {task.workdir} at step {int(state.step)} of {task.total_steps}")
        return replicate(state, task.devices)
    clip = task.config.clip
    fresh = init_state(task.model, task.tx, task.config.train.seed, (clip.frames, clip.crop, clip.crop, 3))
    if task.source:
        variables, lines = take_over(jax.device_get(fresh.variables), task.model, task.class_names, task.source)
        say("\n  ".join([f"Starting from {task.config.finetune.source}", *lines]))
        fresh = fresh._replace(**variables)
    return replicate(fresh, task.devices)


def _test_finished(task, state):
    say(f"This run is finished ({int(state.step) // task.steps_per_epoch} epochs); testing its last checkpoint.")
    summary = task.evaluate(state.variables)
    if summary:
        say(f"test: {describe(summary, task.num_test_videos)}")


def _train(task, state, checkpoints, rows, received):
    """Steps to the end or until some process asks to stop; whether it is the end.

    The state is saved before a test, so that no test costs training.
    """
    config, step = task.config, int(state.step)
    if step >= task.total_steps:
        return True
    steps = task.train.slice(slice(step, task.total_steps))
    data = iter(read_ahead(steps, workers=config.data.workers, processes=config.data.processes))
    compiled, failures = None, Failures(task.names, config.data.max_broken * task.num_train_videos)
    saved_at = time.monotonic()
    with closing(data), Progress(task.total_steps, step, unit="step", label="Training") as progress:
        meter = Meter(task, progress, rows)
        for batch in meter.timed(data):
            batch = failures.take(batch)
            stop = bool(received or failures.too_many())
            if stop and jax.process_count() == 1:
                break
            batch = split_over(batch, task.devices, stop)  # several stop together, once they know of it
            if compiled is None:
                compiled = _compile(task, state, batch)
                meter.restart()
            state, metrics = compiled(state, batch)
            step += 1
            meter.add(step, metrics)
            if meter.stop:
                break
            due = _test_due(task, step)
            if due or time.monotonic() - saved_at >= 60 * config.train.checkpoint_minutes:
                meter.flush()
                _save(checkpoints, state)
                saved_at = time.monotonic()
            if due:
                _test(task, state, checkpoints, rows)
                meter.restart()
        meter.flush()
    gc.collect()  # the iterator's cycles hold shared memory, which Python complains of at the end
    _save(checkpoints, state)
    if reason := failures.too_many():
        raise InputError(reason)
    if summary := failures.summary():
        say(summary)
    return step >= task.total_steps


def _compile(task, state, batch):
    train = task.config.train
    return pmap(
        train_step,
        state,
        batch,
        devices=task.devices,
        donate=True,
        model=task.model,
        tx=task.tx,
        seed=train.seed,
        sync_batch_norm=train.sync_batch_norm,
        freeze_trunk=task.config.finetune.freeze_trunk,
        micro_batches=train.micro_batches,
        remat=train.remat,
        dtype=train.dtype,
    )


def _save(checkpoints, state, kind="last"):
    if checkpoints:
        checkpoints.save(state, kind)


def _test_due(task, step):
    epoch, rest = divmod(step, task.steps_per_epoch)
    return not rest and (epoch % task.config.eval.every == 0 or step == task.total_steps)


def _tested(workdir, step):
    return any(row["kind"] == "eval" and row["step"] == step for row in record.read(workdir))


def _test(task, state, checkpoints, rows):
    summary = task.evaluate(state.variables)
    if summary is None or not rows:
        return
    step, accuracy = int(state.step), summary["video_top1"]
    epoch = step // task.steps_per_epoch
    earlier = [row["video_top1"] for row in record.read(task.workdir) if row["kind"] == "eval"]
    if accuracy > max(earlier, default=-1):
        _save(checkpoints, state, "best")
    rows.add(step, "eval", epoch=epoch, **summary)
    draw_curves(task.workdir)
    say(f"epoch {epoch} test: {describe(summary, task.num_test_videos)}")


@contextmanager
def _signals(received):
    """`received` takes the first signal that asks the process to end; a second one ends it at once."""
    watched = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def note(number, _):
        received.append(number)
        for each in watched:
            signal.signal(each, signal.SIG_DFL)

    before = {number: signal.signal(number, note) for number in watched}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
