"""python -m benchmarks.network: training, forward pass and ten-clip testing, against PyTorch in the same run.

Both get the same network, the same uint8 clips and two threads (on a CPU); runs are interleaved; medians. PyTorch runs
channels-last, and on a GPU in autocast and compiled; without it (pip install torch) ours is measured alone. Prints a
Markdown table: times; GFLOP/s of the convolutions (two for a multiply-add, three times as many in training, products
with the padding's zeros left out) and their share of the fastest matrix product measured here; and the ratio of speeds:
above one, ours is the faster.
"""

import argparse
import importlib.util
import math
import os
import re
import statistics
import subprocess
import sys
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from r3d_jax.compiling import compiler_options
from r3d_jax.models import conv3d
from r3d_jax.models.blocks import Conv3D
from r3d_jax.models.classifier import build, init_variables
from r3d_jax.models.predict import normalise, predict_fn
from r3d_jax.training.devices import placed, pmap, replicate, split_over
from r3d_jax.training.state import abstract_state, first_state
from r3d_jax.training.steps import train_step
from r3d_jax.weights.torch_names import to_torch

CLASSES, VIEWS, TEST_SIZE = 101, 10, (128, 170)
PARTS = ("train", "forward", "evaluate")


class Ours:
    """The network with its optimizer, on uint8 clips."""

    def __init__(self, model, dtype, clips, labels):
        self.devices, self.model, self.dtype = jax.devices()[:1], model, dtype
        tx = optax.chain(optax.add_decayed_weights(1e-4), optax.sgd(0.01, momentum=0.9))
        variables = init_variables(model, jax.random.key(0), clips.shape[1:])
        self.state = replicate(first_state(variables, tx), self.devices)
        self.batch = split_over({"clip": clips, "label": labels}, self.devices)
        self._step = partial(pmap, train_step, devices=self.devices, donate=True, model=model, tx=tx)
        self._compiled = {}
        self._predict = jax.jit(partial(predict_fn, model=model, dtype=dtype))

    def train(self, **changes):
        key = tuple(changes.items())
        if key not in self._compiled:
            self._compiled[key] = self._step(self.state, self.batch, dtype=self.dtype, **changes)
        (self.state, metrics), _ = self._compiled[key](self.state, self.batch)
        return jax.block_until_ready(metrics)

    def forward(self, clips):
        return jax.block_until_ready(self._predict(self.state.variables, clips))


def interleaved(runs, rounds):
    """{name: median seconds} of functions that are run in turn, after one round that does not count."""
    times = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if number:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(each) for name, each in times.items()}


def matrix_peak(dtype, rounds=5):
    """GFLOP/s of the fastest large matrix product that either library gives here."""
    size = 4096
    a = jnp.ones((size, size), dtype)
    product = jax.jit(jnp.matmul)
    runs = {"jax": lambda: jax.block_until_ready(product(a, a))}
    if importlib.util.find_spec("torch"):
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
        b = torch.ones((size, size), dtype=getattr(torch, dtype), device=device)

        def multiply():
            torch.mm(b, b)
            if device == "cuda":
                torch.cuda.synchronize()

        runs["torch"] = multiply
    return 2 * size**3 / min(interleaved(runs, rounds).values()) / 1e9


def gflop(model, clip_shape):
    """Of the convolutions of one clip's forward pass, without products with the zeros of the padding."""
    total = 0

    def count(following, args, kwargs, context):
        nonlocal total
        out = following(*args, **kwargs)
        if isinstance(context.module, Conv3D):
            spec = context.module.spec
            products = math.prod(map(products_along, args[0].shape[1:4], spec.kernel, spec.stride))
            total += products * args[0].shape[-1] // spec.groups * out.shape[-1]
        return out

    clips = jnp.zeros((1, *clip_shape, model.trunk.input_planes))
    with nn.intercept_methods(count):
        jax.eval_shape(model.init, jax.random.key(0), clips)
    return 2e-9 * total


def products_along(size, width, stride):
    """Pairs of an output and a kernel position that meet an input on an axis padded by half the kernel."""
    firsts = range(-(width // 2), size + width // 2 - width + 1, stride)
    return sum(min(first + width, size) - max(first, 0) for first in firsts)


def random_clips(flags):
    rng = np.random.default_rng(0)
    clips = rng.integers(0, 256, (flags.batch, flags.frames, flags.size, flags.size, 3), np.uint8)
    return clips, np.arange(flags.batch, dtype=np.int32) % CLASSES


def random_views(flags):
    return np.random.default_rng(1).integers(0, 256, (1, VIEWS, flags.frames, *TEST_SIZE, 3), np.uint8)


def new_peer(flags, model, variables=None):
    """The peer, with our weights where they have torchvision's names."""
    from benchmarks.peer import Peer

    device = "cpu" if jax.default_backend() == "cpu" else "cuda"
    named = variables is not None and model.trunk.residual == "basic"
    tensors = to_torch(jax.device_get(variables), model, "torchvision") if named else None
    return Peer(model, device, flags.dtype, compiled=device == "cuda", tensors=tensors)


def runs_of(part, flags, ours, peer):
    """{"ours": run, "peer": run} of one part."""
    clips, labels = random_clips(flags)
    views = random_views(flags)
    if part == "train":
        runs = {"ours": ours.train}
    else:
        data = clips[:, None] if part == "forward" else views
        placed = jax.device_put(data, ours.devices[0])
        runs = {"ours": lambda: ours.forward(placed)}
    if peer:
        data, label = peer.place(clips), peer.place(labels.astype(np.int64))
        flat = peer.place(views[0])
        pool = ours.model.heads[0].pool
        run = {
            "train": lambda: peer.train(data, label),
            "forward": lambda: peer.forward(data),
            "evaluate": lambda: peer.forward(flat, pool),
        }[part]

        def timed():
            run()
            peer.wait()

        runs["peer"] = timed
    return runs


def measure(flags):
    """Rows of the table."""
    model = build(flags.network, CLASSES, pool=(-(-flags.frames // 8), 7, 7) if flags.size == 112 else None)
    clips, labels = random_clips(flags)
    ours = Ours(model, flags.dtype, clips, labels)
    peer = new_peer(flags, model, ours.state.variables) if flags.peer else None
    if peer and model.trunk.residual == "basic":
        theirs = peer.forward(peer.place(clips)).cpu().numpy()
        apart = np.abs(ours.forward(clips[:, None]) - theirs).max() / np.abs(theirs).max()
        print(f"Logits of both on the same weights and clips: {apart:.0e} of the largest apart\n", flush=True)
    peak = matrix_peak(flags.dtype)
    what = f"{flags.network}, {flags.frames}x{flags.size}x{flags.size}"
    print(f"Fastest matrix product: {peak:,.0f} GFLOP/s ({flags.dtype})\n")
    print(
        "| what | r3d_jax | GFLOP/s | of peak | PyTorch | GFLOP/s | ratio |\n|---|---|---|---|---|---|---|", flush=True
    )
    one = gflop(model, (flags.frames, flags.size, flags.size))
    view = gflop(model, (flags.frames, *TEST_SIZE))
    work = {"train": (flags.batch, 3 * one), "forward": (flags.batch, one), "evaluate": (VIEWS, view)}
    for part in flags.parts:
        count, each = work[part]
        times = interleaved(runs_of(part, flags, ours, peer), flags.runs)
        title = (
            f"{what}: "
            + {
                "train": f"training step, {count} clips",
                "forward": f"forward, {count} clips",
                "evaluate": f"a test video, {count} clips at {'x'.join(map(str, TEST_SIZE))}",
            }[part]
        )
        print(row(title, count, count * each, times, peak), flush=True)
    if flags.forms:
        other_forms(what, flags, ours)


def row(title, count, work, times, peak):
    def cells(name):
        if name not in times:
            return ["", ""]
        return [f"{times[name]:.3f} s, {count / times[name]:.2f} clips/s", f"{work / times[name]:,.0f}"]

    mine, theirs = cells("ours"), cells("peer")
    share = f"{work / times['ours'] / peak:.0%}"
    ratio = f"{times['peer'] / times['ours']:.2f}" if "peer" in times else ""
    return f"| {' | '.join([title, *mine, share, *theirs, ratio])} |"


def other_forms(what, flags, ours):
    """Loss and gradients with our convolutions, against the same with those of other forms."""
    clips, labels = random_clips(flags)
    variables = ours.state.variables

    def loss_fn(params):
        inputs = normalise(clips, model=ours.model)
        logits, _ = ours.model.apply({**variables, "params": params}, inputs, train=True, mutable=["batch_stats"])
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    def run():
        jax.clear_caches()
        step = jax.jit(lambda params: jax.value_and_grad(loss_fn)(params)).lower(variables["params"])
        compiled = step.compile(compiler_options=compiler_options(ours.devices[0].platform))
        return lambda: jax.block_until_ready(compiled(variables["params"]))

    chosen = conv3d._form_for_cpu
    runs = {"ours": run()}
    for name, form in (("sums of 2-D convolutions", conv3d.portable), ("`lax.conv_general_dilated`", conv3d.native)):
        conv3d._form_for_cpu = lambda *_, form=form, **__: (form, False)
        runs[name] = run()
    conv3d._form_for_cpu = chosen
    times = interleaved(runs, 2)
    print("\n| convolutions of the loss and its gradients | | r3d_jax is |\n|---|---|---|")
    for name, took in times.items():
        print(f"| {what}, {flags.batch} clips: {name} | {took:.3f} s | {took / times['ours']:.1f} |", flush=True)


def working_memory(flags):
    """What the training step needs beside the state, with and without the settings that lower it."""
    print("\n| working memory of a training step | |\n|---|---|")
    devices = jax.devices()[:1]
    for name in dict.fromkeys((flags.network, "r3d_50")):
        model = build(name, CLASSES)
        tx = optax.sgd(0.01, momentum=0.9)
        state, (clips, labels) = placed(abstract_state(model, tx), devices), random_clips(flags)
        batch = split_over({"clip": clips, "label": labels}, devices)
        stages = tuple(range(1, len(model.trunk.blocks) + 1))
        parts = {"gradient_accumulation": 4}
        for levers in ({}, {"remat": stages}, parts, parts | {"remat": stages}):
            step = pmap(train_step, state, batch, devices=devices, donate=True, model=model, tx=tx, **levers)
            size = step.memory_analysis().temp_size_in_bytes >> 20
            settings = [f"`train.{lever}={value}`" for lever, value in levers.items()]
            print(f"| {', '.join([f'{name}, {flags.batch} clips', *settings])} | {size:,} MiB |", flush=True)


def memory(flags):
    """Prints the peak memory of a training run in each library, each in a process of its own."""
    print("\n| peak memory of the process, training | r3d_jax | PyTorch | ratio |\n|---|---|---|---|")
    peaks = {}
    for name in ("ours", "peer"):
        command = [sys.executable, "-m", "benchmarks.network", *sys.argv[1:], f"--train-alone={name}"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        peaks[name] = int(done.stdout.split()[-1])
    cells = [f"{peaks['ours']:,} MiB", f"{peaks['peer']:,} MiB", f"{peaks['ours'] / peaks['peer']:.2f}"]
    print(f"| {flags.network}, {flags.batch} clips | {' | '.join(cells)} |")


def train_alone(flags):
    """Three steps of one library; prints the process's peak memory in MiB."""
    model = build(flags.network, CLASSES)
    clips, labels = random_clips(flags)
    if flags.train_alone == "ours":
        ours = Ours(model, flags.dtype, clips, labels)
        run = ours.train
    else:
        peer = new_peer(flags, model)
        run = partial(peer.train, peer.place(clips), peer.place(labels.astype(np.int64)))
    for _ in range(3):
        run()
    status = Path("/proc/self/status").read_text()  # getrusage would count what the parent had
    print(int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) >> 10)


def parse(arguments=None):
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--network", default="r3d_18")
    flags.add_argument("--batch", type=int, default=8)
    flags.add_argument("--frames", type=int, default=8)
    flags.add_argument("--size", type=int, default=112)
    flags.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    flags.add_argument("--runs", type=int, default=5)
    flags.add_argument("--parts", nargs="*", default=PARTS, choices=PARTS)
    flags.add_argument("--forms", action="store_true", help="also other forms of convolution: minutes on a CPU")
    flags.add_argument("--levers", action="store_true", help="also what the settings that lower memory do")
    flags.add_argument("--train-alone", choices=["ours", "peer"], help=argparse.SUPPRESS)
    flags = flags.parse_args(arguments)
    flags.peer = importlib.util.find_spec("torch") is not None
    return flags


def describe_machine(peer):
    libraries = ["jax", "jaxlib", "flax", *(["torch"] if peer else [])]
    versions = ", ".join(f"{name} {version(name)}" for name in libraries)
    return f"{time.strftime('%Y-%m-%d')}; {versions}; {jax.devices()[0].device_kind}, {os.cpu_count()} cores"


def main():
    flags = parse()
    if flags.peer:
        import torch

        torch.set_num_threads(os.cpu_count())
    if flags.train_alone:
        return train_alone(flags)
    print(describe_machine(flags.peer), flush=True)
    measure(flags)
    if flags.peer and jax.default_backend() == "cpu":
        memory(flags)
    if flags.levers:
        working_memory(flags)


if __name__ == "__main__":
    main()
