"""`r3d_jax prepare`: prepares the data set of a configuration, in threads or on a runner of Apache Beam."""

import os
import re

from r3d_jax.cli import train
from r3d_jax.cli.flags import Flags, add_runner, path

TEXT = "Prepares the data set of a configuration, as its training would do first; with Apache Beam, in many processes."
FLAGS = train.FLAGS | {"runner": "--runner"}
THREADS = "threads"


def add_flags(flags: Flags) -> None:
    """Adds the flags of `r3d_jax prepare` to its parser, without those of the settings and of Beam."""
    flags.epilog = train.SETTINGS
    add = flags.add_argument
    add("--config", metavar="FILE", type=path, help="configuration that names the data, as in configs/")
    add("--workdir", metavar="RUN", type=path, help="folder of a run of this configuration; default: runs/NAME")
    add_runner(flags, otherwise=f"DirectRunner with Beam and more than two cores, else {THREADS} of one process")


def call(config, workdir, runner, settings) -> int:
    """Prepares what the configuration names, and prints where it is and how much of what there is."""
    from r3d_jax import pipelines
    from r3d_jax.cli.settings import configure

    if not runner:
        runner = pipelines.LOCAL if pipelines.installed() and (os.cpu_count() or 1) > 2 else THREADS
    own, others = (settings, []) if runner == THREADS else parted(settings)
    _, config = configure(config, workdir, own, "train")
    options = None if runner == THREADS else pipelines.options_of(runner, others)
    from functools import partial

    from r3d_jax.config_check import check
    from r3d_jax.training.from_config import load_videos

    check(config, devices=1)
    data = config.data
    videos = load_videos(config, partial(pipelines.each, options=options) if options else None)
    count, classes = len(videos.records), len(videos.class_names)
    print(f"{data.name} is prepared in {data.data_dir}: {count:,} videos of {classes:,} classes")
    return 0


def parted(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Settings, and what is left for Beam; a value that stands by itself belongs to what stands before it."""
    own, others = [], []
    now = own
    for argument in arguments:
        if argument.startswith("-"):
            now = own if re.match(r"--?(?:no)?config\.", argument) else others
        now.append(argument)
    return own, others
