"""`r3d_jax train` and `main.py`: trains, previews or evaluates what a configuration or a run's folder says."""

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from r3d_jax.cli.flags import path
from r3d_jax.errors import InputError

TEXT = "Trains or resumes a run, previews its clips, or reports on what it has learned."
SETTINGS = "Every setting can be given as --config.SECTION.FIELD=VALUE, as in --config.train.batch_size=64."
# What stands in a message where the library names an argument.
FLAGS = {name: f"--{name}" for name in ("workdir", "processes", "process", "coordinator")}
FLAGS |= {name: f"--config.data.{name}" for name in ("source", "splits", "data_dir", "max_broken", "group")}


def add_flags(flags) -> None:
    """The flags of `train`, but for the settings."""
    flags.epilog = SETTINGS
    flags.add_argument(
        "--config", type=path, metavar="FILE", help="file in configs/; default: that of the run in --workdir"
    )
    flags.add_argument("--workdir", type=path, metavar="RUN", help="folder of the run; default: runs/NAME of the FILE")
    flags.add_argument(
        "--mode",
        choices=("train", "clips", "evaluate"),
        default="train",
        help="train (or resume, or test what is finished), draw the first training clips, or write a report",
    )
    flags.add_argument(
        "--checkpoint", default="last", choices=("last", "best"), help="of the run, with --mode evaluate"
    )
    flags.add_argument(
        "--distributed", action="store_true", help="join the processes that SLURM, a TPU pod, ... started"
    )
    flags.add_argument("--coordinator", default="", metavar="HOST:PORT", help="of the first of several processes")
    flags.add_argument("--processes", type=int, default=0, help="how many there are, with --coordinator")
    flags.add_argument("--process", type=int, default=-1, help="which of them this is, from 0, with --coordinator")


def main(arguments: list[str] | None = None) -> NoReturn:
    """`main.py`: parses the command line (None: the process's own), calls, and exits."""
    from r3d_jax.cli.main import guarded

    parser = argparse.ArgumentParser(prog="main.py", description=TEXT, allow_abbrev=False)
    add_flags(parser)
    flags, settings = parser.parse_known_args(arguments)
    guarded(call, {**vars(flags), "settings": settings}, {})


def call(config, workdir, mode, checkpoint, distributed, coordinator, processes, process, settings) -> NoReturn:
    """Does what the flags say, and ends the process with its status."""
    from r3d_jax.cli.settings import configure

    workdir, config = configure(config, workdir, settings, mode)
    # Seconds of imports, which a mistyped flag should not cost.
    from functools import partial

    import jax

    from r3d_jax.cli.main import with_flags
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

        videos = str(write_samples(workdir / "videos"))
    command = "r3d_jax" if Path(sys.argv[0]).stem == "r3d_jax" else "python -m r3d_jax"
    return [
        f"{workdir}: checkpoints, metrics.jsonl, curves.png",
        f"next: {command} predict {workdir} {videos}; {command} train --workdir {workdir} --mode evaluate",
    ]
