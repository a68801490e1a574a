"""python -m r3d_jax COMMAND"""

import argparse
import os
import sys
from pathlib import Path

from r3d_jax.errors import InputError


def main(arguments: list[str] | None = None) -> None:
    """Parses, calls, prints; a mistake of the user ends it with one message."""
    parser = argparse.ArgumentParser(prog="python -m r3d_jax", description="What is not training.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_check(commands)
    _add_convert(commands)
    _add_predict(commands)
    _add_cam(commands)
    _add_export(commands)
    _add_serve(commands)
    flags = vars(parser.parse_args(arguments))
    try:
        flags.pop("call")(**flags)
    except BrokenPipeError:  # whoever reads what is printed has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (InputError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


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


def _add_predict(commands):
    text = "The likeliest classes of each video; exit status 1 if any cannot be read."
    flags = _add_command(commands, "predict", _predict, text)
    flags.add_argument("videos", nargs="+", metavar="VIDEO", help="file, folder or pattern; - for a list on stdin")
    flags.add_argument("--top", type=int, default=0, help="classes of each; default: 5, in a table what fits")
    flags.add_argument(
        "--format",
        dest="kind",
        choices=("table", "json", "csv"),
        default="",
        help=("default: a table on a terminal, JSON lines elsewhere"),
    )
    flags.add_argument("--views", type=int, default=0, help="clips of each video; default: as in testing")
    flags.add_argument("--batch", type=int, default=4, help="videos (or, of a timeline, clips) at a time")
    flags.add_argument("--workers", type=int, default=2, help="threads that read")
    flags.add_argument("--timeline", dest="along", action="store_true", help="slide over each video, of any length")
    flags.add_argument("--hop", type=int, default=0, help="of a timeline, in frames; default: half a clip")
    flags.add_argument("--plots", type=Path, default=Path("timelines"), help="folder for the timelines' pictures")


def _predict(**flags):
    from r3d_jax.inference.command import command
    from r3d_jax.models.compiling import keep_programs

    keep_programs()
    sys.exit(command(**flags))


def _add_cam(commands):
    text = "A video in which one sees what speaks for a class (Grad-CAM)."
    flags = _add_command(commands, "cam", _cam, text)
    flags.add_argument("video", type=Path)
    flags.add_argument("out", type=Path, help="file to write, *.mp4 or *.gif")
    flags.add_argument("--class", dest="label", default="", help="default: the likeliest")
    flags.add_argument("--block", default="", help="whose output is mapped; default: the one that the head reads")
    flags.add_argument("--size", type=int, default=256, help="short edge of the frames that are written")


def _cam(source, checkpoint, video, out, **flags):
    from r3d_jax.inference.cam_video import cam_video
    from r3d_jax.models.compiling import keep_programs
    from r3d_jax.weights.load import load

    keep_programs()
    print("\n".join(cam_video(load(source, checkpoint), video, out, **flags)))


def _add_export(commands):
    text = "A network as one file that JAX alone can run, with its weights for PyTorch beside it."
    flags = _add_command(commands, "export", _export, text)
    flags.add_argument("out", type=Path, help="file to write, *.npz; beside it *.safetensors")


def _export(source, checkpoint, out):
    from r3d_jax.weights.export import export
    from r3d_jax.weights.load import load

    print("\n".join(export(load(source, checkpoint), out)))


def _add_serve(commands):
    text = "A page on this machine that a video can be dropped on, and a JSON endpoint for programs."
    flags = _add_command(commands, "serve", _serve, text)
    flags.add_argument("--host", default="127.0.0.1", help="address to listen at; default: for this machine alone")
    flags.add_argument("--port", type=int, default=8000)
    flags.add_argument("--max_mb", type=float, default=100, help="of one video")
    flags.add_argument("--seconds", type=float, default=60, help="that one request may take")
    flags.add_argument("--requests", type=int, default=8, help="taken at a time; further ones are told to come again")


def _serve(source, checkpoint, host, port, max_mb, seconds, requests):
    from r3d_jax.inference.serve import Limits, serve
    from r3d_jax.models.compiling import keep_programs
    from r3d_jax.weights.load import load

    keep_programs()
    limits = Limits(int(max_mb * 2**20), seconds, requests)
    serve(load(source, checkpoint), name=source.name, host=host, port=port, limits=limits)


def _add_command(commands, name, call, text):
    """A command on a trained network."""
    flags = commands.add_parser(name, help=text, description=text)
    flags.set_defaults(call=call)
    flags.add_argument("source", metavar="RUN", type=Path, help="a run's folder, or a converted or exported network")
    flags.add_argument("--checkpoint", default="last", help="of a run: last or best")
    return flags


def _numbers(text):
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} must be numbers with commas between") from error


if __name__ == "__main__":
    main()
