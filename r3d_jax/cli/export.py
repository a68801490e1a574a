"""`r3d_jax export`: a network as a file that JAX alone can run, or as one for other runtimes."""

from r3d_jax.cli.flags import Flags, add_network, path
from r3d_jax.errors import InputError

TEXT = "Writes a network as one file that JAX alone can run (*.npz), or ONNX Runtime and others (*.onnx)."


def add_flags(flags: Flags) -> None:
    """Adds the flags of `r3d_jax export` to its parser."""
    add_network(flags)
    flags.add_argument(
        "out",
        metavar="OUT",
        type=path,
        help="file to write: *.npz, for JAX alone, with the weights for PyTorch beside it (*.safetensors); or *.onnx",
    )
    flags.add_argument(
        "--dtype", choices=("float32", "bfloat16"), default="float32", help="type of the activations; default: float32"
    )


def call(source, checkpoint, out, dtype) -> int:
    """Exports, and prints what was written; the exit status."""
    if out.suffix not in (".npz", ".onnx"):
        raise InputError(f"{out} must be called *.npz or *.onnx, which is what it will be")
    from r3d_jax.weights.export import export
    from r3d_jax.weights.export_onnx import export_onnx
    from r3d_jax.weights.load import load

    if out.suffix == ".npz":
        told = export(load(source, checkpoint), out, dtype)
    elif dtype == "float32":
        told = export_onnx(load(source, checkpoint), out)
    else:
        raise InputError(
            f"`dtype` (={dtype}) is for *.npz; an *.onnx file is in float32, which runtimes lower themselves"
        )
    print("\n".join(told))
    return 0
