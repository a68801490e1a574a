"""`r3d_jax convert`: other projects' weights, or a run's, as one file."""

from r3d_jax.cli.flags import Flags, numbers, path, with_flags
from r3d_jax.weights.labels import LABELS

TEXT = "Writes weights of another project or of a run as one file for JAX (r3d_jax.load) and PyTorch alike."


def add_flags(flags: Flags) -> None:
    """Adds the flags of `r3d_jax convert` to its parser."""
    add = flags.add_argument
    add(
        "source",
        metavar="SOURCE",
        type=path,
        help=".pth, .safetensors, a run's folder, a converted or a published network",
    )
    add("out", metavar="OUT", type=path, help="file to write, called *.safetensors")
    add(
        "--model",
        default="",
        help="name of the network or a ClassyVision configuration (.json); default: what SOURCE says or what fits it",
    )
    add(
        "--classes",
        metavar="FILE",
        type=path,
        help=f"file with one class name a line, or one of {', '.join(LABELS)}",
    )
    add("--mean", metavar="R,G,B", type=numbers, default=(), help="mean of the pixels over 255; default: SOURCE's")
    add(
        "--std",
        metavar="R,G,B",
        type=numbers,
        default=(),
        help="standard deviation of the pixels over 255; default: SOURCE's",
    )
    add("--frames", type=int, default=0, help="frames of a clip; default: SOURCE's")
    add("--crop", type=int, default=0, help="edge in pixels of a training clip; default: SOURCE's")
    add(
        "--stride",
        type=int,
        default=0,
        help="distance of a clip's frames in frames of the video; default: SOURCE's",
    )
    add("--test_size", type=int, default=0, help="short edge in pixels of frames in testing; default: SOURCE's")
    add(
        "--checkpoint",
        default="last",
        choices=("last", "best"),
        help="which of a run's checkpoints; default: last",
    )
    add(
        "--names",
        default="",
        choices=("torchvision", "classyvision", "pytorchvideo", "pyslowfast", "mmaction2", "kenshohara"),
        help="whose names the tensors get; default: SOURCE's, or those of a project that has the network",
    )
    add("--push", metavar="hf://OWNER/NAME", default="", help="publish OUT on the Hugging Face Hub too")


def call(source, out, push, **flags) -> int:
    """Converts, and prints what was found, written and published; the exit status."""
    from r3d_jax.weights import hub
    from r3d_jax.weights.convert import convert
    from r3d_jax.weights.load import load
    from r3d_jax.weights.published import find

    if push:
        hub.check(push)
    named = {name: f"--{name}" for name in flags}
    print("\n".join(with_flags(line, named) for line in convert(source, out, **flags)))
    if push:
        print(hub.push(push, out, load(out), None if source.exists() else find(str(source))))
    return 0
