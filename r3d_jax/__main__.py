"""python -m r3d_jax COMMAND"""

import argparse
import sys
from pathlib import Path

from r3d_jax.errors import InputError


def main(arguments: list[str] | None = None) -> None:
    """Parses, calls, prints; a mistake of the user ends it with one message."""
    parser = argparse.ArgumentParser(prog="python -m r3d_jax", description="What is not training.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_check(commands)
    _add_convert(commands)
    flags = vars(parser.parse_args(arguments))
    try:
        flags.pop("call")(**flags)
    except (InputError, OSError) as error:
        sys.exit(f"error: {error}")


def _add_check(commands):
    text = "Decodes every video of a folder and tells what is wrong with which; exit status 1 if anything is."
    flags = commands.add_parser("check", help=text, description=text)
    flags.set_defaults(call=_check)
    flags.add_argument("folder", type=Path)
    flags.add_argument("--frames", type=int, default=8, help="of a clip: shorter videos are told")
    flags.add_argument("--stride", type=int, default=1, help="of the frames in a clip")
    flags.add_argument("--workers", type=int, default=0, help="threads; default: one for each core")


def _check(folder, **flags):
    from r3d_jax.data.check import check

    report = check(folder, **flags)
    print("\n".join(report.lines()))
    sys.exit(1 if report.findings else 0)


def _add_convert(commands):
    text = "Weights of torchvision, ClassyVision or a run, as one file for JAX (r3d_jax.load) and PyTorch alike."
    flags = commands.add_parser("convert", help=text, description=text)
    flags.set_defaults(call=_convert)
    flags.add_argument("source", type=Path, help=".pth, .safetensors, a run's folder, or a converted network")
    flags.add_argument("out", type=Path, help="file to write, *.safetensors")
    flags.add_argument("--model", default="", help="a preset, or a ClassyVision configuration (.json)")
    flags.add_argument("--classes", type=Path, help="file with one class name a line")
    flags.add_argument("--mean", type=_numbers, default=(), help="of the pixels over 255: R,G,B")
    flags.add_argument("--std", type=_numbers, default=(), help="likewise")
    flags.add_argument("--frames", type=int, default=0, help="of a clip")
    flags.add_argument("--crop", type=int, default=0, help="edge of a training clip")
    flags.add_argument("--stride", type=int, default=0, help="of the frames in a clip")
    flags.add_argument("--test_size", type=int, default=0, help="short edge in testing")
    flags.add_argument("--checkpoint", default="last", help="of a run: last or best")
    flags.add_argument("--names", default="", choices=("torchvision", "classyvision"), help="of the tensors written")


def _convert(**flags):
    from r3d_jax.weights.convert import convert

    print("\n".join(convert(**flags)))


def _numbers(text):
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} must be numbers with commas between") from error


if __name__ == "__main__":
    main()
