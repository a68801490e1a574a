"""python -m benchmarks.memory: the peak memory of training, against PyTorch's, and what the settings do that lower it.

Each library trains three steps in a process of its own; PyTorch runs channels-last and not compiled.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys

import jax
import optax

from benchmarks.network import CLASSES, Ours, of_clips, random_clips
from benchmarks.peak import peak_memory
from benchmarks.timing import describe_machine
from r3d_jax.models.classifier import build, options
from r3d_jax.training.devices import placed, pmap, split_over
from r3d_jax.training.state import abstract_state
from r3d_jax.training.steps import train_step


def peaks(flags):
    """Prints the peak memory of a training run in each library; JAX is not imported beside PyTorch."""
    print("\n| peak memory of the process, training | r3d_jax | PyTorch | ratio |\n|---|---|---|---|")
    model = build(flags.network, CLASSES)
    facts = {"trunk": options(model.trunk), "classes": CLASSES, "mean": model.mean, "std": model.std}
    facts["shape"] = (flags.batch, flags.frames, flags.size, flags.size, 3)
    alone = f"from benchmarks import peer; peer.train_alone('{json.dumps(facts)}', threads={os.cpu_count()})"
    commands = {"ours": ["-m", "benchmarks.memory", *sys.argv[1:], "--alone"], "peer": ["-c", alone]}
    found = {}
    for name, command in commands.items():
        done = subprocess.run([sys.executable, *command], stdout=subprocess.PIPE, text=True, check=True)
        found[name] = int(done.stdout.split()[-1])
    cells = [f"{found['ours']:,} MiB", f"{found['peer']:,} MiB", f"{found['ours'] / found['peer']:.2f}"]
    print(f"| {flags.network}, {flags.batch} clips | {' | '.join(cells)} |", flush=True)


def train_alone(flags):
    """Three steps; prints the process's peak memory in MiB."""
    ours = Ours(build(flags.network, CLASSES), *random_clips(flags))
    for _ in range(3):
        ours.train()
    print(peak_memory())


def working_memory(flags):
    """Prints what the training step needs beside the state, with and without the settings that lower it."""
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


def main():
    flags = of_clips(__doc__)
    flags.add_argument("--levers", action="store_true", help="also what the settings that lower memory do")
    flags.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    flags = flags.parse_args()
    if flags.alone:
        return train_alone(flags)
    print(describe_machine(["torch"]), flush=True)
    if importlib.util.find_spec("torch") and jax.default_backend() == "cpu":
        peaks(flags)
    if flags.levers:
        working_memory(flags)


if __name__ == "__main__":
    main()
