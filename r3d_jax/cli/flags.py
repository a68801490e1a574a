"""Kinds of flags that several commands share."""

import argparse
from pathlib import Path


def path(text: str) -> Path:
    """A file or folder as the command line names it; `~` is the user's home, also where no shell has replaced it."""
    return Path(text).expanduser()


def numbers(text: str) -> tuple[float, ...]:
    """Numbers with commas between, as in `0.4,0.4,0.4`."""
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} must be numbers with commas between") from error


def add_network(flags: argparse.ArgumentParser) -> None:
    """The flags of a command that uses a trained network: `source` and `checkpoint`, as `load` takes them."""
    flags.add_argument("source", metavar="NETWORK", type=path, help="a run's folder, or a converted or exported file")
    flags.add_argument("--checkpoint", default="last", choices=("last", "best"), help="which of a run's checkpoints")
