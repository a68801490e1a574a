"""The order of things: steps, tests and checkpoints until the last epoch or a signal."""

import gc
import signal
import time
from contextlib import ExitStack, closing
from pathlib import Path

import jax
import numpy as np

from r3d_jax.config import Config
from r3d_jax.config_check import check
from r3d_jax.data.batches import read_ahead
from r3d_jax.data.preparation import most_broken
from r3d_jax.errors import InputError
from r3d_jax.files import check_free, occupied, told_when_full
from r3d_jax.training import from_config, probe, testing
from r3d_jax.training.devices import placed, pmap, replicate, split_over
from r3d_jax.training.divergence import check_state
from r3d_jax.training.failures import Failures
from r3d_jax.training.initialise import compare_clips, take_over, warn_of_clips
from r3d_jax.training.logs import Progress, say
from r3d_jax.training.metrics_log import MetricsLog
from r3d_jax.training.precise_batch_norm import with_precise_statistics
from r3d_jax.training.processes import agree, first_then_others, is_first
from r3d_jax.training.signals import noted
from r3d_jax.training.state import abstract_state, init_state
from r3d_jax.training.steps import train_step
from r3d_jax.training.task import prepare
from r3d_jax.training.throughput import Throughput
from r3d_jax.training.time_left import TimeLeft
from r3d_jax.weights.checkpoint import Checkpoints
from r3d_jax.weights.checkpoint_folder import bytes_needed, bytes_of, remove_unfinished
from r3d_jax.weights.early_stop import unmark
from r3d_jax.weights.run import CHECKPOINTS
from r3d_jax.weights.run_files import description_of


def run(config: Config, workdir: Path, devices: list[jax.Device] | None = None) -> int:
    """Trains or resumes the run in `workdir`, or tests it where it is finished; the exit status.

    Stopped by a signal, it saves its state, and returns 128 + the signal's number.

    Raises:
      InputError: settings that cannot work, clips that the network cannot take, unusable data, a workdir that holds
        another run, that another process trains in or that cannot be written to, a disk that is full or has no room
        for the checkpoints, or training that diverges.
    """
    devices = devices or jax.devices()
    check(config, len(devices), jax.process_count())
    with ExitStack() as opened:
        alone = first_then_others(lambda: is_first() and opened.enter_context(occupied(workdir)))
        return _run(prepare(config, workdir, devices), alone)


def _run(task, alone):
    """Steps and tests of a run that is this process's alone; the exit status."""
    received, workdir = [], task.workdir
    folder, like = workdir / CHECKPOINTS, abstract_state(task.model, task.tx, ema=task.ema)
    with told_when_full(workdir, bytes_of(like), "a checkpoint"), noted(received), ExitStack() as opened:
        checkpoints = opened.enter_context(Checkpoints(folder, description_of(workdir))) if is_first() else None
        if alone and (left := remove_unfinished(folder)):
            say(f"Removed what killed processes have left of checkpoints: {', '.join(path.name for path in left)}")
        state = _initial_state(task, checkpoints)
        step = int(state.step)
        if checkpoints and step < task.total_steps:
            check_free(workdir, bytes_needed(folder, like), "what this run keeps of checkpoints")
        log = opened.enter_context(MetricsLog(workdir, step)) if is_first() else None
        untested = step and testing.is_due(task, step) and not testing.is_done(task, step)
        over = not untested and testing.is_over(task, step)
        if untested:
            _test(task, with_precise_statistics(task, state), checkpoints, log, received)
        elif over:
            testing.retest(task, with_precise_statistics(task, state), lambda: bool(received))
        elif alone:
            unmark(workdir)
        step = _train(task, state, checkpoints, log, received)
        finished = testing.is_over(task, step)
        if finished and not over and not received:
            testing.conclude(task, step)
    if received:
        say(f"Stopped by {signal.Signals(received[0]).name}; the same command resumes this run.")
        return 128 + received[0]
    if not finished:
        say("Stopped, since another process was asked to; the same commands resume this run.")
    return 0 if finished else 1


def _initial_state(task, checkpoints):
    """The newest checkpoint's state or a fresh one, on all devices."""
    like = placed(abstract_state(task.model, task.tx, ema=task.ema), jax.local_devices()[:1])
    state = checkpoints.restore(like) if checkpoints else None
    if agree(state is not None):
        state = agree(state or jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), like))
        say(f"Resuming {task.workdir} at step {int(state.step)} of {task.total_steps}")
        return replicate(state, task.devices)
    fresh = init_state(task.model, task.tx, seed=task.config.train.seed, clip=task.config.clip)
    if task.source:
        variables, lines = take_over(jax.device_get(fresh.variables), task.model, task.class_names, task.source)
        seen = compare_clips(task.config.clip, task.source.clip)
        say("\n  ".join([f"Starting from {task.config.finetune.source}", *lines, seen]))
        if caution := warn_of_clips(task.config.clip, task.source.clip):
            say(caution)
        fresh = fresh._replace(**variables)
    return replicate(fresh.averaging() if task.ema else fresh, task.devices)


def _train(task, state, checkpoints, log, received):
    """Steps to the end or until some process asks to stop; the last step.

    The state is saved before a test, so that no test costs training, and with the sums that the next row is made of.
    """
    config, step, total = task.config, int(state.step), task.total_steps
    if testing.is_over(task, step):
        return step
    if config.finetune.probe:
        return _train_head(task, state, checkpoints, log, received)
    reading = {"workers": config.data.workers, "processes": config.data.processes}
    data = iter(read_ahead(task.train, start=step, stop=total, **reading))
    compiled, ready, saved_at, left = None, state, time.monotonic(), TimeLeft(task)
    failures = Failures(task.train.names, most_broken(task.train.num_videos, config.data.max_broken))
    with closing(data), Progress(total, step, unit="step", label="Training") as progress:
        throughput = Throughput(task.pace, progress, log, checkpoints.notes(step) if checkpoints and step else None)
        for batch in throughput.timed(data):
            batch = failures.take(batch)
            asked = bool(received or failures.too_many())
            if asked and jax.process_count() == 1:
                break
            batch = split_over(batch, task.devices, asked)  # several stop together, once they know of it
            if compiled is None or step == task.head_steps:
                throughput.flush()
                compiled = _compile(task, state, batch, step, progress)
                throughput.restart()
                left.restart()
            (state, metrics), stop = compiled(state, batch)
            step += 1
            throughput.add(step, metrics | {"stop": stop})
            due = testing.is_due(task, step)
            # Not to be stopped: what is saved is what is tested.
            ready = with_precise_statistics(task, state) if due else state
            if throughput.stop:
                break
            left.tell(step)
            if log and step > 1 and (step - 1) % len(task.train) == 0:
                testing.advise(task, step // len(task.train))
            if due or time.monotonic() - saved_at >= 60 * config.train.checkpoint_minutes:
                throughput.flush()
                _save(checkpoints, ready, notes=throughput.sums)
                saved_at = time.monotonic()
            if due:
                _test(task, ready, checkpoints, log, received)
                throughput.restart()
                left.restart()
                if testing.is_over(task, step):
                    break
        throughput.flush()
    gc.collect()  # the iterator's cycles hold shared memory, which Python complains of at the end
    _save(checkpoints, ready, notes=throughput.sums)
    if reason := failures.too_many():
        raise InputError(reason)
    if summary := failures.summary():
        say(summary)
    return step


def _train_head(task, state, checkpoints, log, received):
    """The head alone, on features of the trunk; the last step, or that of `state` where a signal came before."""
    trained = probe.train_head(task, state, lambda: bool(received))
    if trained is None:
        return int(state.step)
    _save(checkpoints, trained)
    _test(task, trained, checkpoints, log, received)
    return task.total_steps


def _compile(task, state, batch, step, progress):
    """The step of training from `step` on: of the head alone, or of all."""
    head = step < task.head_steps
    options = from_config.train_options(from_config.head_alone(task.config) if head else task.config)
    options |= {"model": task.model, "tx": task.head_tx if head else task.tx}
    options["class_weights"] = from_config.class_weights(task.config, task.videos)
    progress.doing("compiling")
    compiled = pmap(train_step, state, batch, devices=task.devices, donate=True, **options)
    progress.doing()
    if task.head_steps and step in (0, task.head_steps):
        say(f"From epoch {step // len(task.train) + 1} on, {'the head alone' if head else 'the trunk too'} is trained")
    return compiled


def _test(task, state, checkpoints, log, received):
    testing.test_state(task, state, lambda: _save(checkpoints, state, "best"), log, lambda: bool(received))


def _save(checkpoints, state, kind="last", notes=None):
    if checkpoints:
        state = jax.device_get(state)
        check_state(state)
        checkpoints.save(state, kind, notes)
