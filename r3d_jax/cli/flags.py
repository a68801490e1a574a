"""Kinds of flags that several commands share, and messages in which flags stand for the library's arguments."""

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

from r3d_jax.errors import InputError

NETWORK = "a run's folder, a converted or exported file, a name of `r3d_jax models`, or hf://OWNER/NAME"

Flags = argparse.ArgumentParser  # which the files of commands add theirs to


def path(text: str) -> Path:
    """A file or folder as the command line names it; `~` is the user's home, also where no shell has replaced it."""
    return Path(text).expanduser()


def numbers(text: str) -> tuple[float, ...]:
    """Numbers with commas between, as in `0.4,0.4,0.4`.

    Raises:
      ArgumentTypeError: something between the commas is no number.
    """
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} must be numbers with commas between") from error


def add_network(flags: Flags) -> None:
    """Adds the flags of a command that uses a trained network: `source` and `checkpoint`, as `load` takes them."""
    flags.add_argument("source", metavar="NETWORK", type=path, help=NETWORK)
    flags.add_argument(
        "--checkpoint",
        default="last",
        choices=("last", "best"),
        help="which of a run's checkpoints; default: last",
    )


def add_videos(flags: Flags, nargs: str = "+") -> None:
    """Adds `videos`, as `named_videos` takes them; with `nargs` "*" there may be none."""
    flags.add_argument(
        "videos",
        nargs=nargs,
        metavar="VIDEO",
        help="file, folder or pattern; - reads a list of them from standard input",
    )


def add_reading(flags: Flags, *, together: str) -> None:
    """Adds how videos are read for a network: `views`, `batch_size` and `workers`, as `predict` takes them.

    Args:
      together: what a batch is of.
    """
    add = flags.add_argument
    add("--views", type=int, default=0, help="clips of each video; default: as many as in testing")
    add("--batch", dest="batch_size", metavar="COUNT", type=int, default=4, help=f"{together}; default: 4")
    add("--workers", type=int, default=2, help="threads that read; default: 2")


def add_dtype(flags: Flags) -> None:
    """Adds `dtype`, as `choose_dtype` takes it."""
    flags.add_argument(
        "--dtype",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="type of the activations; default: bfloat16 on a CPU that multiplies it by itself, where the network's "
        "answers hardly move, else float32",
    )


def add_onednn(flags: Flags) -> None:
    """Adds `--onednn`, which `guarded` obeys for every command that has it."""
    flags.add_argument(
        "--onednn",
        choices=("auto", "off"),
        default="auto",
        help="whether convolutions may run in oneDNN on a CPU; default: where its values were found to be right",
    )


def add_runner(flags: Flags, *, otherwise: str) -> None:
    """Adds `runner`, the name of one of Apache Beam's.

    Args:
      otherwise: what happens without it.
    """
    flags.add_argument(
        "--runner",
        default="",
        metavar="NAME",
        help="runner of Apache Beam (pip install 'r3d_jax[beam]'), with its own options after it: DirectRunner, which "
        f"is processes of this machine, FlinkRunner, SparkRunner, DataflowRunner ...; default: {otherwise}",
    )


def check_threshold(threshold: float | None) -> None:
    """Refuses what is no probability that classes can reach; None is taken.

    Raises:
      InputError: it is 0 or below, above 1, or no number.
    """
    if threshold is not None and not 0 < threshold <= 1:
        raise InputError(f"`threshold` (={threshold:g}) must be a probability above 0, and at most 1")


def with_flags(message: str, named: Mapping[str, str]) -> str:
    """A message of the library with the command line's flags for the arguments that it names in backticks.

    Args:
      named: {argument: flag}; other names stay as they are.
    """
    return re.sub(r"`(\w+)`", lambda found: named.get(found[1], found[0]), message)
