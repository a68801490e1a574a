"""python -m benchmarks.accelerator: what is claimed of a GPU or a TPU, all in one call.

Training and forward pass in bfloat16 (parameters and statistics float32) of R3D-18 on 8 and 16 frames and of r3d_50,
against PyTorch's channels-last, autocast and torch.compile on the same GPU (pip install torch), as
`benchmarks.network` measures them. Then each convolution of R3D-18, forward and both gradients, in every form that XLA
could run it in: native with channels last or first, and as a sum of 2-D convolutions.
"""

import argparse
import importlib.util
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from benchmarks import network
from r3d_jax.models import conv3d
from r3d_jax.models.window import Window

NETWORKS = (("r3d_18", 8, 64), ("r3d_18", 16, 32), ("r3d_50", 8, 32))
LAYERS = (  # channels, features, frames, side, kernel, stride: those of R3D-18 on 8x112x112
    (3, 64, 8, 112, (3, 7, 7), (1, 2, 2)),
    (64, 64, 8, 56, (3, 3, 3), (1, 1, 1)),
    (64, 128, 8, 56, (3, 3, 3), (2, 2, 2)),
    (64, 128, 8, 56, (1, 1, 1), (2, 2, 2)),
    (128, 128, 4, 28, (3, 3, 3), (1, 1, 1)),
    (128, 256, 4, 28, (3, 3, 3), (2, 2, 2)),
    (256, 256, 2, 14, (3, 3, 3), (1, 1, 1)),
    (256, 512, 2, 14, (3, 3, 3), (2, 2, 2)),
    (512, 512, 1, 7, (3, 3, 3), (1, 1, 1)),
)
FORMS = ("channels last", "channels first", "2-D")


def channels_first(x, kernel, window):
    padding = [(p, p) for p in window.padding]
    names = ("NCDHW", "OIDHW", "NCDHW")
    return lax.conv_general_dilated(x, kernel, window.stride, padding, dimension_numbers=names)


def form_of(name, wanted, window, shapes, dtype):
    """(compiled function, its operands) of one convolution or gradient."""
    if name != "channels first":
        how = partial(conv3d._native if name == "channels last" else conv3d._taps, wanted=wanted, window=window)
        operands = [jnp.ones(shapes[letter], dtype) for letter in conv3d._OPERANDS[wanted]]
        return jax.jit(how), operands
    turned = {letter: (4, 3, 0, 1, 2) if letter == "k" else (0, 4, 1, 2, 3) for letter in "xky"}
    first = {letter: tuple(shapes[letter][axis] for axis in turned[letter]) for letter in "xky"}
    x, kernel, y = (jnp.ones(first[letter], dtype) for letter in "xky")
    if wanted == "y":
        return jax.jit(partial(channels_first, window=window)), (x, kernel)
    if wanted == "x":
        gradient = jax.linear_transpose(lambda x: channels_first(x, kernel, window), x)
        return jax.jit(lambda y: gradient(y)[0]), (y,)
    gradient = jax.linear_transpose(lambda k: channels_first(x, k, window), kernel)
    return jax.jit(lambda y: gradient(y)[0]), (y,)


def layers(flags):
    """Milliseconds of every form of every layer."""
    print(f"\nConvolutions of R3D-18, {flags.clips} clips, {flags.dtype}, ms: forward, input's, kernel's gradient")
    print(f"\n| layer | {' | '.join(FORMS)} |\n|---|{'---|' * len(FORMS)}")
    for channels, features, frames, side, kernel, stride in LAYERS:
        window = Window((frames, side, side), kernel, stride, tuple(k // 2 for k in kernel), 1)
        shapes = {"x": (flags.clips, *window.size, channels), "k": (*kernel, channels, features)}
        shapes["y"] = (flags.clips, *window.out, features)
        cells = {name: [] for name in FORMS}
        for wanted in "yxk":
            built = {name: form_of(name, wanted, window, shapes, flags.dtype) for name in FORMS}
            runs = {name: partial(lambda f, a: jax.block_until_ready(f(*a)), *form) for name, form in built.items()}
            for name, median in network.interleaved(runs, flags.runs).items():
                cells[name].append(f"{1e3 * median:.2f}")
        title = f"{channels}->{features}, {frames}x{side}x{side}, kernel {'x'.join(map(str, kernel))}, stride {stride}"
        print(f"| {title} | {' | '.join(', '.join(cells[name]) for name in FORMS)} |", flush=True)


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--clips", type=int, default=32, help="of the single convolutions")
    flags.add_argument("--dtype", default="bfloat16", choices=["float32", "bfloat16"])
    flags.add_argument("--runs", type=int, default=10)
    flags.add_argument("--share", type=int, default=1, help="divides the numbers of clips, where memory is short")
    flags = flags.parse_args()
    flags.clips = max(1, flags.clips // flags.share)
    print(network.describe_machine(importlib.util.find_spec("torch")), flush=True)
    for name, frames, batch in NETWORKS:
        print()
        batch = max(1, batch // flags.share)
        arguments = [f"--network={name}", f"--frames={frames}", f"--batch={batch}", f"--runs={flags.runs}"]
        network.measure(network.parse([*arguments, f"--dtype={flags.dtype}", "--parts", "train", "forward"]))
    layers(flags)


if __name__ == "__main__":
    main()
