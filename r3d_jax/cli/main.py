"""`r3d_jax COMMAND` and `python -m r3d_jax COMMAND`: finds the command's file, calls it, prints what went wrong."""

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import r3d_jax
from r3d_jax.cli.flags import with_flags
from r3d_jax.errors import InputError

# Each is a file of this folder with `TEXT`, `add_flags(parser)` and `call(**flags) -> exit status`.
COMMANDS = ("train", "prepare", "check", "models", "convert", "predict", "watch", "features", "cam", "export", "serve")
OPEN = ("train", "prepare")  # which take settings, which no parser can list


def main(arguments: list[str] | None = None) -> NoReturn:
    """Parses, calls, and exits with the command's status; a mistake of the user ends it with one message.

    Args:
      arguments: of the command line, the command first; None: the process's own.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    chosen = arguments[0] if arguments and arguments[0] in COMMANDS else ""
    text = "Video classification with 3-D residual networks."
    parser = argparse.ArgumentParser(prog="r3d_jax", description=text, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"r3d_jax {r3d_jax.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in [chosen] if chosen else COMMANDS:
        command = importlib.import_module(f"r3d_jax.cli.{name}")
        flags = commands.add_parser(name, help=command.TEXT, description=command.TEXT, allow_abbrev=False)
        command.add_flags(flags)
        flags.set_defaults(call=command.call)
    named = {action.dest: (action.option_strings or [action.metavar])[0] for action in flags._actions}
    found, further = parser.parse_known_args(arguments)
    if chosen in OPEN or getattr(found, "runner", ""):  # whose options no parser can list either
        found.settings, named = further, getattr(command, "FLAGS", named)
    elif further:
        parser.error(f"unrecognized arguments: {' '.join(further)}")
    found = vars(found)
    guarded(found.pop("call"), found, named)


def guarded(call: Callable, flags: dict[str, Any], named: Mapping[str, str]) -> NoReturn:
    """Calls a command and exits with its status; what a user can put right is printed as one message.

    Args:
      call: of a command's file, with its `flags` but for `onednn`, which is obeyed here.
      named: {argument: flag}: the flag stands in the message where the library names the argument.
    """
    flags = dict(flags)
    if flags.pop("onednn", "auto") == "off":
        os.environ["R3D_JAX_ONEDNN"] = "0"  # for this process and those that it starts
    try:
        sys.exit(call(**flags))
    except BrokenPipeError:  # whoever reads what is printed has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (InputError, OSError) as error:
        sys.exit(f"error: {with_flags(str(error), named)}")
    except KeyboardInterrupt:
        sys.exit(130)
