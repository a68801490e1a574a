"""`r3d_jax export`: a network as a file that JAX alone can run."""

from r3d_jax.cli.flags import Flags, add_network, path

TEXT = "Writes a network as one file that JAX alone can run, with its weights for PyTorch beside it."


def add_flags(flags: Flags) -> None:
    """Adds the flags of `r3d_jax export` to its parser."""
    add_network(flags)
    flags.add_argument("out", metavar="OUT", type=path, help="file to write, called *.npz; beside it *.safetensors")
    flags.add_argument(
        "--dtype", choices=("float32", "bfloat16"), default="float32", help="type of the activations; default: float32"
    )


def call(source, checkpoint, out, dtype) -> int:
    """Exports, and prints what was written; the exit status."""
    from r3d_jax.weights.export import export
    from r3d_jax.weights.load import load

    print("\n".join(export(load(source, checkpoint), out, dtype)))
    return 0
