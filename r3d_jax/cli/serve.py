"""`r3d_jax serve`: a page and an endpoint on this machine."""

import os
import sys

from r3d_jax.cli.flags import Flags, add_dtype, add_network, add_onednn

TEXT = "Serves a page that a video can be dropped on, and a JSON endpoint for programs, on this machine."


def add_flags(flags: Flags) -> None:
    """Adds the flags of `r3d_jax serve` to its parser."""
    add_network(flags)
    flags.add_argument(
        "--host", default="127.0.0.1", help="address to listen at; default: 127.0.0.1, for this machine alone"
    )
    flags.add_argument("--port", type=int, default=8000, help="port to listen at; 0: any that is free; default: 8000")
    flags.add_argument("--max_mb", type=float, default=100, help="MiB that one video may have; default: 100")
    flags.add_argument("--seconds", type=float, default=60, help="seconds that one request may take; default: 60")
    flags.add_argument(
        "--requests",
        type=int,
        default=8,
        help="requests that are worked on at a time; further ones are told to come again; default: 8",
    )
    flags.add_argument(
        "--token",
        default=os.environ.get("R3D_JAX_TOKEN", ""),
        help="bearer token of every request, needed where `--host` lets others in; default: the environment's "
        "R3D_JAX_TOKEN, which other users of this machine do not see",
    )
    add_dtype(flags)
    add_onednn(flags)


def call(source, checkpoint, host, port, max_mb, seconds, requests, token, dtype) -> int:
    """Serves until a signal ends it; the exit status."""
    from r3d_jax.compiling import keep_programs
    from r3d_jax.inference.precision import choose_dtype
    from r3d_jax.server.body import Limits
    from r3d_jax.server.server import serve
    from r3d_jax.weights.load import load

    keep_programs()
    limits = Limits(max_mb, seconds, requests)
    network, name = load(source, checkpoint), source.resolve().name
    dtype, line = choose_dtype(network, dtype)
    print(line, file=sys.stderr)
    if not serve(network, name=name, host=host, port=port, limits=limits, token=token, dtype=dtype):
        sys.stdout.flush()
        os._exit(0)  # a computation cannot be interrupted, and Python would wait for it
    return 0
