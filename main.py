"""python main.py --config configs/ucf101.py [--workdir FOLDER] [--config.SECTION.FIELD=VALUE ...]"""

import re
import sys
from functools import partial
from pathlib import Path

import jax
from absl import app, flags, logging
from ml_collections import config_flags

from r3d_jax.config import Config, check_field
from r3d_jax.errors import InputError

_CONFIG = config_flags.DEFINE_config_file("config", help_string="file in configs/, with fields to override after a dot")
_MODE = flags.DEFINE_enum(
    "mode",
    "train",
    ["train", "clips", "evaluate"],
    "train (or resume, or test what is finished), draw the first training clips, or report on a trained network",
)
_COORDINATOR = flags.DEFINE_string("coordinator", "", "of several processes: HOST:PORT of the first, the same for all")
_PROCESSES = flags.DEFINE_integer("processes", 0, "how many processes there are, with --coordinator")
_PROCESS = flags.DEFINE_integer("process", -1, "which of them this is, from 0, with --coordinator")
_DISTRIBUTED = flags.DEFINE_bool("distributed", False, "join the processes that SLURM, a TPU pod, ... have started")
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "last", ["last", "best"], "of the run, with --mode evaluate")
_WORKDIR = flags.DEFINE_string("workdir", None, "folder of the run; default: runs/<name of the config file>")


def main(argv):
    if argv[1:]:
        sys.exit(f"error: unknown argument {argv[1]!r}; settings are given as --config.SECTION.FIELD=VALUE")
    if not isinstance(_CONFIG.value, Config):
        sys.exit("error: --config must name a file whose get_config() returns a Config, as in configs/")
    # Seconds of imports, which a mistyped flag should not cost.
    from r3d_jax.models.compiling import keep_programs
    from r3d_jax.report.report import report
    from r3d_jax.training.look import look
    from r3d_jax.training.loop import run
    from r3d_jax.training.processes import connect, leave

    logging.set_verbosity(logging.ERROR)
    keep_programs()
    name = Path(config_flags.get_config_filename(flags.FLAGS["config"])).stem
    try:
        connect(_COORDINATOR.value, _PROCESSES.value, _PROCESS.value, _DISTRIBUTED.value)
        workdir = Path(_WORKDIR.value or Path("runs") / name)
        modes = {"train": run, "clips": look, "evaluate": partial(report, checkpoint=_CHECKPOINT.value)}
        leave(modes[_MODE.value](_CONFIG.value, workdir))
    except (InputError, OSError) as error:
        leave(f"error: {error}")
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1:
            raise
        leave(f"error: the other processes are gone ({str(error)[:200]}); start all of them again to resume")
    except KeyboardInterrupt:
        leave(130)  # before training has begun: nothing to save


def parse(argv):
    try:
        for argument, following in zip(argv[1:], [*argv[2:], ""]):
            if field := re.match(r"--?config\.([\w.]+)", argument):
                check_field(field[1])
            if file := re.match(r"--?config(?:=(.+))?$", argument):
                _check_file(file[1] or following)
        return flags.FLAGS(argv)
    except (InputError, flags.Error, AttributeError, TypeError) as error:
        lines = str(error).strip().splitlines()
        # What goes wrong inside a config file comes with its stack trace; the last two places of it say enough.
        sys.exit("\n".join([f"error: {lines[0]}", *lines[-4:]] if "Traceback" in str(error) else [f"error: {error}"]))


def _check_file(name):
    if not Path(name).is_file():
        known = ", ".join(str(path) for path in sorted(Path("configs").glob("*.py")))
        raise InputError(f"no config file {name!r}; there are {known or 'none in configs/'}")


if __name__ == "__main__":
    app.run(main, flags_parser=parse)
