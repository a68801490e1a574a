"""`r3d_jax convert`: other projects' weights, or a run's, as one file."""

from r3d_jax.cli.flags import numbers, path

TEXT = "Weights of torchvision, ClassyVision or a run, as one file for JAX (r3d_jax.load) and PyTorch alike."


def add_flags(flags) -> None:
    """The flags of `convert`."""
    flags.add_argument("source", type=path, help=".pth, .safetensors, a run's folder, or a converted network")
    flags.add_argument("out", type=path, help="file to write, *.safetensors")
    flags.add_argument("--model", default="", help="name of the network, or a ClassyVision configuration (.json)")
    flags.add_argument("--classes", type=path, help="file with one class name a line")
    flags.add_argument("--mean", type=numbers, default=(), help="of the pixels over 255, as R,G,B")
    flags.add_argument("--std", type=numbers, default=(), help="standard deviation of the pixels over 255, as R,G,B")
    flags.add_argument("--frames", type=int, default=0, help="frames of a clip; default: what the source says")
    flags.add_argument("--crop", type=int, default=0, help="edge of a training clip in pixels; default: the source's")
    flags.add_argument(
        "--stride", type=int, default=0, help="from one frame of a clip to the next; default: the source's"
    )
    flags.add_argument(
        "--test_size", type=int, default=0, help="short edge in testing in pixels; default: the source's"
    )
    flags.add_argument("--checkpoint", default="last", choices=("last", "best"), help="which of a run's checkpoints")
    flags.add_argument(
        "--names", default="", choices=("torchvision", "classyvision"), help="whose names the tensors are written under"
    )


def call(**flags) -> int:
    """Converts, and prints what was found and written."""
    from r3d_jax.weights.convert import convert

    print("\n".join(convert(**flags)))
    return 0
