"""The tests of a run: when they are due, what they leave behind, and what is said of them."""

from collections.abc import Callable

from r3d_jax.training import advice, from_config, metrics_log, probe, stopping
from r3d_jax.training.divergence import check_loss
from r3d_jax.training.evaluation import best_by, describe, evaluate
from r3d_jax.training.logs import say
from r3d_jax.training.metrics_log import MetricsLog
from r3d_jax.training.processes import agree, is_first
from r3d_jax.training.steps import TrainState
from r3d_jax.training.task import Task
from r3d_jax.weights.early_stop import mark
from r3d_jax.weights.run import load_run


def is_due(task: Task, step: int) -> bool:
    """Whether the run is to be tested after `step`."""
    epoch, rest = divmod(step, len(task.train))
    return not rest and (epoch % task.config.eval.every == 0 or step == task.total_steps)


def is_done(task: Task, step: int) -> bool:
    """Whether the run has been tested after `step`, as its first process knows."""
    return agree(any(row["kind"] == "eval" and row["step"] == step for row in metrics_log.read(task.workdir)))


def is_over(task: Task, step: int) -> bool:
    """Whether the run has come to its end: its last step, or tests that say that more steps are of no use."""
    rows = metrics_log.read(task.workdir)
    over = stopping.has_ended(rows, patience=task.config.train.patience, after=task.head_steps)
    return step >= task.total_steps or agree(over)


def test_state(
    task: Task, state: TrainState, save_best: Callable[[], None], log: MetricsLog | None, stop: Callable
) -> None:
    """Tests the state, and keeps and says what comes out; where `stop` comes true, nothing.

    Args:
      save_best: saves the state as the best one, where it is.
      log: of the process that writes.

    Raises:
      InputError: the loss is not finite, or no video can be read.
    """
    summary = run_test(task, state.variables, stop)
    if summary is None or not log:
        return
    step, meter = int(state.step), best_by(summary)
    epoch = step // len(task.train)
    check_loss(summary["loss"], f"the test after epoch {epoch}")
    earlier = [row.get(meter, -1) for row in metrics_log.read(task.workdir) if row["kind"] == "eval"]
    if summary[meter] > max(earlier, default=-1):
        save_best()
    log.add(step, "eval", epoch=epoch, **summary)
    say(f"epoch {epoch} test: {describe(summary, task.test.num_videos, _share(task))}")


def retest(task: Task, state: TrainState, stop: Callable[[], bool]) -> None:
    """Tests what a finished run has brought: its last checkpoint, or its best where it ended early."""
    epochs, early = int(state.step) // len(task.train), int(state.step) < task.total_steps
    if early and is_first():
        mark(task.workdir, int(state.step))
    kept = "best" if early else "last"
    say(f"This run {'ended early' if early else 'is finished'} ({epochs} epochs); testing its {kept} checkpoint.")
    if summary := run_test(task, load_run(task.workdir, "best").variables if early else state.variables, stop):
        say(f"test: {describe(summary, task.test.num_videos, _share(task))}")
        _judge(task, summary)


def run_test(task: Task, variables: dict, stop: Callable[[], bool]) -> dict | None:
    """The summary of all test videos; None where `stop` came true."""
    if task.config.finetune.probe:
        return probe.evaluate_head(task, variables, stop)
    options = from_config.eval_options(task.config) | {"workers": task.config.data.workers}
    return evaluate(task.model, variables, task.test, devices=task.devices, stop=stop, **options)


def conclude(task: Task, step: int) -> None:
    """Says what has come of a run that has just come to its end, and marks one that has ended early."""
    if not is_first():
        return
    rows, epoch = metrics_log.read(task.workdir), step // len(task.train)
    tests = [row for row in rows if row["kind"] == "eval"]
    if not tests or tests[-1]["step"] != step:  # another process was asked to stop before that test
        return
    shown = tests[-1]
    if step < task.total_steps:
        mark(task.workdir, step)
        shown = stopping.best_test(rows)
        say(
            f"Ended early, after {epoch} of {task.config.train.epochs} epochs: the last {task.config.train.patience} "
            f"tests brought nothing better. What is used of this run is its best checkpoint, that of epoch "
            f"{shown['epoch']}; chosen for its accuracy on these videos, it flatters itself a little."
        )
    if not _judge(task, shown):
        return
    if said := advice.by_heart(rows, epoch=shown["epoch"], steps_per_epoch=len(task.train), summary=shown):
        say(said)


def advise(task: Task, epoch: int) -> None:
    """Says what the log of an epoch that has just ended calls for."""
    rows, steps = metrics_log.read(task.workdir), len(task.train)
    classes = len(task.class_names) if task.commonest else 2  # of several labels, each class is a yes or a no
    lines = [advice.above_chance(rows, epoch=epoch, steps_per_epoch=steps, classes=classes)]
    if task.commonest:
        several = {"epochs": task.config.train.epochs, "trained": bool(task.config.finetune.source)}
        lines.append(advice.at_chance(rows, epoch=epoch, steps_per_epoch=steps, commonest=task.commonest[0], **several))
    for line in filter(None, lines):
        say(line)


def _judge(task, summary):
    """Says what an accuracy is worth; whether there is one, which several labels do not have."""
    if task.commonest:
        say(advice.verdict(summary, task.commonest[1]))
    return bool(task.commonest)


def _share(task):
    """The accuracy of always answering the largest class, if there is such a thing."""
    return task.commonest[1].share if task.commonest else None
