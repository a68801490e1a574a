"""python -m benchmarks.network: training, one clip, eight clips and ten-clip testing, against other libraries.

All get the same network and the same uint8 clips in one run, in turn, and on a CPU all of its cores; medians. Beside
PyTorch's channels-last (with autocast in bfloat16) these are torch.compile, which freezes the weights for predicting,
OpenVINO, and ONNX Runtime with the file that `export_onnx` writes; on a GPU, torch.compile alone. Whichever is not
installed (pip install torch openvino onnx onnxruntime) is left out. Prints how far the logits are from ours, and a
Markdown table: times, each with its ratio to ours (above one, ours is the faster), and the ratio of the fastest of
them; for ours, GFLOP/s of the convolutions too (two for a multiply-add, three times as many in training, products with
the padding's zeros left out) and their share of the fastest matrix product measured here.
"""

import argparse
import importlib.util
import os
from functools import partial

import jax
import numpy as np
import optax

from benchmarks import opponents
from benchmarks.timing import describe_machine, interleaved, matrix_peak
from benchmarks.work import gflop
from r3d_jax.inference.forward import make_forward
from r3d_jax.models.classifier import build, init_variables
from r3d_jax.training.devices import pmap, replicate, split_over
from r3d_jax.training.state import first_state
from r3d_jax.training.steps import train_step
from r3d_jax.video.clips import ClipSpec
from r3d_jax.weights.trained import TrainedNetwork

CLASSES, VIEWS, TEST_SIZE = 101, 10, (128, 170)
PARTS = {
    "train": "training step, {} clips",
    "clip": "forward, one clip",
    "forward": "forward, {} clips",
    "evaluate": f"a test video, {VIEWS} clips at {'x'.join(map(str, TEST_SIZE))}",
}
LIBRARIES = ("torch", "openvino", "onnxruntime")


class Ours:
    """The network with its optimizer, on uint8 clips."""

    def __init__(self, model, clips, labels):
        self.devices, self.model = jax.devices()[:1], model
        tx = optax.chain(optax.add_decayed_weights(1e-4), optax.sgd(0.01, momentum=0.9))
        variables = init_variables(model, jax.random.key(0), clips.shape[1:])
        self.state = replicate(first_state(variables, tx), self.devices)
        self.batch = split_over({"clip": clips, "label": labels}, self.devices)
        self._step = partial(pmap, train_step, devices=self.devices, donate=True, model=model, tx=tx)
        self._compiled = {}
        self._forward = {}

    def train(self, dtype="float32", **changes):
        key = (dtype, *changes.items())
        if key not in self._compiled:
            self._compiled[key] = self._step(self.state, self.batch, dtype=dtype, **changes)
        (self.state, metrics), _ = self._compiled[key](self.state, self.batch)
        return jax.block_until_ready(metrics)

    def forward(self, views, dtype="float32"):
        """Logits [video, view, class] of uint8 views [video, view, time, height, width, channel], as `predict` has."""
        if dtype not in self._forward:
            clip = ClipSpec(frames=views.shape[2])
            classes = tuple(f"class {i}" for i in range(CLASSES))
            network = TrainedNetwork(self.model, self.state.variables, classes, clip)
            self._forward[dtype] = make_forward(network, dtype=dtype)
        return self._forward[dtype](views)


def random_clips(flags):
    rng = np.random.default_rng(0)
    clips = rng.integers(0, 256, (flags.batch, flags.frames, flags.size, flags.size, 3), np.uint8)
    return clips, np.arange(flags.batch, dtype=np.int32) % CLASSES


def random_views(flags):
    return np.random.default_rng(1).integers(0, 256, (VIEWS, flags.frames, *TEST_SIZE, 3), np.uint8)


def training_runs(flags, ours, dtype):
    """{library: a function that trains a step}."""
    clips, labels = random_clips(flags)
    runs = {"r3d_jax": partial(ours.train, dtype)}
    for name in opponents.opponents(dtype, training=True):
        runs[name] = opponents.training_step(name, ours.model, dtype, clips, labels)
    return runs


def forward_runs(part, flags, ours, dtype):
    """{library: a function that gives logits}."""
    clips, _ = random_clips(flags)
    views = {"clip": clips[:1], "forward": clips, "evaluate": random_views(flags)}[part]
    own = views[None] if part == "evaluate" else views[:, None]
    runs = {"r3d_jax": partial(ours.forward, own, dtype)}
    pool = ours.model.heads[0].pool if part == "evaluate" else None
    for name in opponents.opponents(dtype, training=False):
        runs[name] = opponents.forward(name, ours.model, ours.state.variables, dtype, views, pool)
    return runs


def measure(flags):
    """Prints the table."""
    model = build(flags.network, CLASSES, pool=(-(-flags.frames // 8), 7, 7) if flags.size == 112 else None)
    ours = Ours(model, *random_clips(flags))
    one = gflop(model, (flags.frames, flags.size, flags.size))
    view = gflop(model, (flags.frames, *TEST_SIZE))
    work = {"train": 3 * flags.batch * one, "clip": one, "forward": flags.batch * one, "evaluate": VIEWS * view}
    peaks = {dtype: matrix_peak(dtype) for dtype in flags.dtypes}
    for dtype, peak in peaks.items():
        print(f"Fastest matrix product: {peak:,.0f} GFLOP/s ({dtype})", flush=True)
    columns, told = ["r3d_jax", *opponents.NEEDS], []
    print(f"\n| what | {' | '.join(columns)} | the fastest of them | GFLOP/s | of peak |")
    print(f"|{'---|' * (4 + len(columns))}", flush=True)
    for part in flags.parts:
        runs = {}
        for dtype in flags.dtypes:
            found = training_runs(flags, ours, dtype) if part == "train" else forward_runs(part, flags, ours, dtype)
            runs |= {(dtype, name): run for name, run in found.items()}
            if part != "train" and opponents.named(model):
                told.append(agreement(f"{part}, {dtype}", found, runs[flags.dtypes[0], "r3d_jax"]))
        times = interleaved(runs, flags.runs)
        for dtype in flags.dtypes:
            title = f"{flags.network}, {flags.frames}x{flags.size}x{flags.size}, {dtype}: "
            took = {name: times[kind, name] for kind, name in times if kind == dtype}
            print(row(title + PARTS[part].format(flags.batch), columns, took, work[part], peaks[dtype]), flush=True)
    print("", *told, sep="\n", flush=True)


def agreement(what, runs, exact):
    """How far the logits of all, which have the same weights, are from ours in the first of the types."""
    exact = np.asarray(exact())
    apart = {}
    for name, run in runs.items():
        logits = np.asarray(run()).reshape(exact.shape)  # others have the views of all videos in one row
        apart[name] = np.abs(exact - logits).max() / np.abs(exact).max()
        assert apart[name] < (1e-4 if "float32" in what else 5e-2), (what, apart)
    return f"Logits, {what}: {', '.join(f'{name} {value:.0e}' for name, value in apart.items())} of the largest apart"


def row(title, columns, took, work, peak):
    mine = took["r3d_jax"]
    ratios = {name: seconds / mine for name, seconds in took.items() if name != "r3d_jax"}
    cells = [f"{took[name]:.3f} s" if name in took else "" for name in columns]
    cells = [f"{cell} ({ratios[name]:.2f})" if name in ratios else cell for name, cell in zip(columns, cells)]
    fastest = min(ratios, key=ratios.get, default=None)
    cells += [
        f"{ratios[fastest]:.2f} ({fastest})" if fastest else "",
        f"{work / mine:,.0f}",
        f"{work / mine / peak:.0%}",
    ]
    return f"| {' | '.join([title, *cells])} |"


def of_clips(description):
    """A parser of the network and its clips, which scripts have in common."""
    flags = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--network", default="r3d_18")
    flags.add_argument("--batch", type=int, default=8)
    flags.add_argument("--frames", type=int, default=8)
    flags.add_argument("--size", type=int, default=112)
    return flags


def parse(arguments=None):
    flags = of_clips(__doc__)
    flags.add_argument("--dtypes", nargs="+", default=["float32"], choices=["float32", "bfloat16"])
    flags.add_argument("--runs", type=int, default=5)
    flags.add_argument("--parts", nargs="*", default=list(PARTS), choices=PARTS)
    return flags.parse_args(arguments)


def main():
    flags = parse()
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(os.cpu_count())
    print(describe_machine(LIBRARIES), flush=True)
    measure(flags)


if __name__ == "__main__":
    main()
