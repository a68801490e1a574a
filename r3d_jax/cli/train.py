"""`r3d_jax train` and `main.py`: trains, previews or evaluates what a configuration or a run's folder says."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import NoReturn

from r3d_jax.cli.flags import Flags, add_onednn, path, with_flags
from r3d_jax.errors import InputError

TEXT = "Trains or resumes a run, draws its first training clips, or writes a report on what it has learned."
SETTINGS = (
    "Every setting can be given as --config.SECTION.FIELD=VALUE, as in --config.train.batch_size=64; r3d_jax/config.py "
    "lists them."
)
# What stands in a message where the library names an argument.
FLAGS = {name: f"--{name}" for name in ("workdir", "checkpoint", "coordinator", "processes", "process")}
FLAGS |= {name: f"--config.data.{name}" for name in ("source", "splits", "fold", "group", "data_dir")}
FLAGS |= {name: f"--config.data.{name}" for name in ("max_broken", "renew", "multi_label")}
FLAGS |= {name: f"--config.model.{name}" for name in ("blocks", "pool", "mean", "std", "average")}
FLAGS |= {"remat": "--config.train.remat"}


def add_flags(flags: Flags) -> None:
    """Adds the flags of `r3d_jax train` to its parser, without those of the settings."""
    flags.epilog = SETTINGS
    add = flags.add_argument
    add(
        "--config",
        metavar="FILE",
        type=path,
        help="configuration of the run, as in configs/; default: that of the run in --workdir, which an evaluation of "
        "this run takes in any case",
    )
    add("--workdir", metavar="RUN", type=path, help="folder of the run; default: runs/NAME, after the FILE's name")
    add(
        "--mode",
        choices=("train", "clips", "evaluate"),
        default="train",
        help="train (or resume, or test a run that is finished), draw the first training clips, or write a report; "
        "default: train",
    )
    add(
        "--checkpoint",
        default="last",
        choices=("last", "best"),
        help="which of the run's checkpoints --mode evaluate reports on; default: last",
    )
    add(
        "--distributed",
        action="store_true",
        help="join the other processes that SLURM, Open MPI, Kubernetes or a TPU pod has started",
    )
    add("--coordinator", default="", metavar="HOST:PORT", help="address of the first of several processes")
    add("--processes", type=int, default=0, help="number of processes that take part, with --coordinator")
    add("--process", type=int, default=-1, help="number of this process among them, from 0, with --coordinator")
    add_onednn(flags)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Does what `python main.py` is asked to: parses the command line, calls, and exits.

    Args:
      arguments: of the command line; None: the process's own.
    """
    from r3d_jax.cli.main import guarded

    parser = argparse.ArgumentParser(prog="main.py", description=TEXT, allow_abbrev=False)
    add_flags(parser)
    flags, settings = parser.parse_known_args(arguments)
    guarded(call, {**vars(flags), "settings": settings}, FLAGS)


def call(config, workdir, mode, checkpoint, distributed, coordinator, processes, process, settings) -> NoReturn:
    """Does what the flags and settings say, and ends the process with its exit status."""
    from r3d_jax.cli.settings import configure

    workdir, config = configure(config, workdir, settings, mode)
    # Seconds of imports, which a mistyped flag should not cost.
    from functools import partial

    import jax

    from r3d_jax.compiling import keep_programs
    from r3d_jax.report.report import report
    from r3d_jax.training.loop import run
    from r3d_jax.training.preview import preview
    from r3d_jax.training.processes import connect, leave

    keep_programs()
    try:
        connect(coordinator, processes, process, distributed)
        modes = {"train": run, "clips": preview, "evaluate": partial(report, checkpoint=checkpoint)}
        status = modes[mode](config, workdir)
        if mode == "train" and status == 0 and jax.process_index() == 0:
            print("\n".join(_afterwards(config, workdir)), flush=True)
        leave(status)
    except (InputError, OSError) as error:
        leave(f"error: {with_flags(str(error), FLAGS)}")
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1:
            raise
        leave(f"error: the other processes are gone ({str(error)[:200]}); start all of them again to resume")
    except KeyboardInterrupt:
        leave(130)  # before training has begun: nothing to save


def _afterwards(config, workdir):
    """Where everything is, and what can be done with it."""
    videos = "VIDEO"
    if config.data.name == "demo":
        from r3d_jax.data.demo import write_samples

        videos = shlex.quote(str(write_samples(workdir / "videos")))
    command = "r3d_jax" if Path(sys.argv[0]).stem == "r3d_jax" else "python -m r3d_jax"
    run = shlex.quote(str(workdir))
    return [
        f"{workdir}: checkpoints, metrics.jsonl, curves.png",
        f"next: {command} predict {run} {videos}; {command} train --workdir {run} --mode evaluate",
    ]
