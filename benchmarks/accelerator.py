"""python -m benchmarks.accelerator: what is claimed of a GPU or a TPU, all in one call.

Training and forward pass in bfloat16 (parameters and statistics float32) of R3D-18 on 8 and 16 frames and of r3d_50,
against PyTorch's channels-last, autocast and torch.compile on the same GPU (pip install torch), as
`benchmarks.network` measures them. Then single convolutions, forward and both gradients, in every form that XLA could
run them in: its own 3-D convolution, one 2-D convolution of stacked frames and, of groups, the same with one kernel
for all channels that is zero between groups.
"""

import argparse
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import network
from benchmarks.timing import describe_machine
from r3d_jax.models import conv3d
from r3d_jax.models.window import OPERANDS, Window

NETWORKS = (("r3d_18", 8, 64), ("r3d_18", 16, 32), ("r3d_50", 8, 32))
LAYERS = (  # channels, features, frames, side, kernel, stride, groups
    (3, 64, 16, 112, (3, 7, 7), (1, 2, 2), 1),  # R3D-18 on 16x112x112
    (64, 64, 16, 56, (3, 3, 3), (1, 1, 1), 1),
    (64, 128, 16, 56, (3, 3, 3), (2, 2, 2), 1),
    (64, 128, 16, 56, (1, 1, 1), (2, 2, 2), 1),
    (256, 256, 4, 14, (3, 3, 3), (1, 1, 1), 1),
    (512, 512, 2, 7, (3, 3, 3), (1, 1, 1), 1),
    (64, 256, 8, 56, (1, 1, 1), (1, 1, 1), 1),  # a bottleneck's last
    (64, 128, 8, 56, (1, 3, 3), (1, 1, 1), 1),  # R(2+1)D's
    (128, 64, 8, 56, (3, 1, 1), (1, 1, 1), 1),
    (128, 128, 8, 56, (3, 3, 3), (1, 1, 1), 32),  # ResNeXt's
    (64, 64, 8, 56, (3, 3, 3), (1, 1, 1), 64),  # CSN's
    (54, 54, 13, 40, (3, 3, 3), (1, 1, 1), 54),  # X3D's
)


def dense(a, b, *, wanted, window):
    """The stacked form of a grouped convolution or gradient, its kernel filled up with zeros."""

    def kernel(k):  # [kt, kh, kw, channels of a group, features] to one of all channels
        k = k.reshape(*k.shape[:4], window.groups, -1)
        apart = jnp.eye(window.groups, dtype=k.dtype)
        return jnp.einsum("thwcgf,ig->thwicgf", k, apart).reshape(*k.shape[:3], -1, window.groups * k.shape[-1])

    whole = window._replace(groups=1)
    if wanted != "k":
        return conv3d._stacked(a, kernel(b), wanted=wanted, window=whole)
    shape = jax.ShapeDtypeStruct(conv3d._shape(a, b, wanted, window), a.dtype)
    return jax.linear_transpose(kernel, shape)(conv3d._stacked(a, b, wanted=wanted, window=whole))[0]


FORMS = {"3-D": conv3d.native, "stacked": conv3d._stacked, "dense": dense}


def timed(run, rounds, repeats=10):
    """Median seconds of a call that is one of several given at once, so that none waits for its start."""
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        for _ in range(repeats):
            out = run()
        jax.block_until_ready(out)
        times.append((time.perf_counter() - start) / repeats)
    return float(np.median(times[1:]))


def layers(flags):
    """Milliseconds of every form of every layer, for its forward pass and its two gradients."""
    print(f"\n{flags.clips} clips, {flags.dtype}, ms: forward, input's, kernel's gradient")
    print(f"\n| layer | {' | '.join(FORMS)} |\n|---|{'---|' * len(FORMS)}")
    rng = np.random.default_rng(0)
    for channels, features, frames, side, kernel, stride, groups in LAYERS:
        window = Window((frames, side, side), kernel, stride, tuple(k // 2 for k in kernel), groups)
        shapes = {"x": (flags.clips, *window.size, channels), "k": (*kernel, channels // groups, features)}
        shapes["y"] = (flags.clips, *window.out, features)
        arrays = {name: rng.standard_normal(shape, np.float32).astype(flags.dtype) for name, shape in shapes.items()}
        arrays = jax.device_put(arrays)
        cells = {name: [] for name in FORMS}
        for wanted in "yxk":
            operands = [arrays[name] for name in OPERANDS[wanted]]
            for name, form in FORMS.items():
                if name == ("dense" if groups == 1 else "stacked"):
                    continue
                compiled = jax.jit(partial(form, wanted=wanted, window=window))
                cells[name].append(f"{1e3 * timed(partial(compiled, *operands), flags.runs):.2f}")
        title = f"{channels}->{features}, {frames}x{side}x{side}, kernel {'x'.join(map(str, kernel))}, stride {stride}"
        title += f", {groups} groups" if groups > 1 else ""
        print(f"| {title} | {' | '.join(', '.join(cells[name]) for name in FORMS)} |", flush=True)


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--clips", type=int, default=32, help="of the single convolutions")
    flags.add_argument("--dtype", default="bfloat16", choices=["float32", "bfloat16"])
    flags.add_argument("--runs", type=int, default=10)
    flags.add_argument("--share", type=int, default=1, help="divides the numbers of clips, where memory is short")
    flags.add_argument("--parts", nargs="*", default=["networks", "layers"], choices=["networks", "layers"])
    flags = flags.parse_args()
    flags.clips = max(1, flags.clips // flags.share)
    print(describe_machine(network.LIBRARIES), flush=True)
    for name, frames, batch in NETWORKS if "networks" in flags.parts else ():
        print()
        batch = max(1, batch // flags.share)
        arguments = [f"--network={name}", f"--frames={frames}", f"--batch={batch}", f"--runs={flags.runs}"]
        network.measure(network.parse([*arguments, f"--dtypes={flags.dtype}", "--parts", "train", "forward"]))
    if "layers" in flags.parts:
        layers(flags)


if __name__ == "__main__":
    main()
