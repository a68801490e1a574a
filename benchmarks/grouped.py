"""python -m benchmarks.grouped: single convolutions of X3D, CSN and ResNeXt on a CPU, against PyTorch in the same run.

Values, and the gradients of the input and of the kernel, float32; two threads, channels last, interleaved, medians.
Needs `pip install torch`. Prints a Markdown table: milliseconds of both, and the ratios of speeds: above one, ours is
the faster.
"""

import argparse
import os
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.timing import describe_machine, interleaved
from r3d_jax.compiling import compiler_options
from r3d_jax.models.conv3d import conv3d

# Clips, their size, kernel, stride, channels and groups of convolutions in these networks.
LAYERS = [
    (2, (8, 56, 56), (3, 3, 3), (1, 1, 1), 128, 32),
    (2, (8, 56, 56), (3, 3, 3), (2, 2, 2), 256, 32),
    (2, (4, 28, 28), (3, 3, 3), (1, 1, 1), 256, 32),
    (2, (2, 14, 14), (3, 3, 3), (1, 1, 1), 512, 32),
    (2, (1, 7, 7), (3, 3, 3), (1, 1, 1), 1024, 32),
    (2, (8, 56, 56), (3, 3, 3), (1, 1, 1), 256, 32),
    (2, (4, 28, 28), (3, 3, 3), (1, 1, 1), 512, 32),
    (2, (2, 14, 14), (3, 3, 3), (1, 1, 1), 1024, 32),
    (2, (13, 80, 80), (5, 1, 1), (1, 1, 1), 24, 24),
    (2, (13, 80, 80), (3, 3, 3), (1, 2, 2), 54, 54),
    (2, (13, 20, 20), (3, 3, 3), (1, 1, 1), 108, 108),
    (1, (32, 56, 56), (3, 3, 3), (1, 1, 1), 64, 64),
    (1, (16, 28, 28), (3, 3, 3), (1, 1, 1), 128, 128),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="of each, after one that warms up")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    print(f"{describe_machine(['torch'])}; float32", flush=True)
    print(
        "| convolution | values, ms | input's gradient | kernel's gradient | ratios |\n|---|---|---|---|---|",
        flush=True,
    )
    for clips, size, kernel, stride, channels, groups in LAYERS:
        window = {"stride": stride, "padding": tuple(k // 2 for k in kernel), "groups": groups}
        rng, convolve = np.random.default_rng(0), partial(conv3d, **window)
        x = rng.standard_normal((clips, *size, channels), np.float32)
        k = rng.standard_normal((*kernel, channels // groups, channels), np.float32)
        y = rng.standard_normal(jax.eval_shape(convolve, x, k).shape, np.float32)
        pairs = zip(ours(convolve, x, k, y), theirs(window, x, k, y))
        times = [tuple(interleaved(dict(enumerate(pair)), options.runs).values()) for pair in pairs]
        what = f"{clips} x {size}, {channels} channels in {groups} groups, kernel {kernel}, stride {stride}"
        cells = " | ".join(f"{a * 1000:.1f}, {b * 1000:.1f}" for a, b in times)
        print(f"| {what} | {cells} | {', '.join(f'{b / a:.2f}' for a, b in times)} |", flush=True)


def ours(convolve, x, k, y):
    """Values, the input's gradient and the kernel's, compiled as the library does it."""
    x, k, y = map(jnp.asarray, (x, k, y))
    functions = (
        (convolve, (x, k)),
        (lambda k, y: jax.linear_transpose(lambda x: convolve(x, k), x)(y), (k, y)),
        (lambda x, y: jax.linear_transpose(lambda k: convolve(x, k), k)(y), (x, y)),
    )
    for function, operands in functions:
        compiled = jax.jit(function, compiler_options=compiler_options("cpu"))
        yield lambda run=compiled, operands=operands: jax.block_until_ready(run(*operands))


def theirs(window, x, k, y):
    """The same three by PyTorch."""
    import torch

    torch.set_num_threads(2)
    x, y = (torch.from_numpy(each).permute(0, 4, 1, 2, 3) for each in (x, y))
    k = torch.from_numpy(k).permute(4, 3, 0, 1, 2).contiguous(memory_format=torch.channels_last_3d)
    yield partial(torch.nn.functional.conv3d, x, k, **window)
    options = None, window["stride"], window["padding"], (1, 1, 1), False, (0, 0, 0), window["groups"]
    for wanted in ((True, False, False), (False, True, False)):
        yield partial(torch.ops.aten.convolution_backward, y, x, k, *options, wanted)


if __name__ == "__main__":
    main()
