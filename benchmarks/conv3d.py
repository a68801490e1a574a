"""python -m benchmarks.conv3d: a training step of R3D-18 with temporal taps, against XLA's own 3-D convolution.

Both run in turn in one process, on the same random clips; medians.
"""

import argparse
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

from r3d_jax.models import conv3d
from r3d_jax.models.classifier import build, init_variables, normalise
from r3d_jax.training.steps import pmap, replicate, split_over


def step(variables, batch, *, model):
    """Loss and gradients of one batch."""

    def loss_fn(params):
        inputs = normalise(batch["clip"], model=model)
        logits, _ = model.apply({**variables, "params": params}, inputs, train=True, mutable=["batch_stats"])
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch["label"]).mean()

    return jax.lax.pmean(jax.value_and_grad(loss_fn)(variables["params"]), "batch")


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--clips", type=int, default=2)
    flags.add_argument("--frames", type=int, default=8)
    flags.add_argument("--size", type=int, default=112)
    flags.add_argument("--runs", type=int, default=3)
    flags = flags.parse_args()
    devices = jax.devices()[:1]
    model = build("r3d_18", 101)
    shape = (flags.frames, flags.size, flags.size, 3)
    rng = np.random.default_rng(0)
    batch = {"clip": rng.integers(0, 256, (flags.clips, *shape), np.uint8), "label": np.arange(flags.clips)}
    batch = split_over(batch, devices)
    variables = replicate(init_variables(model, jax.random.key(0), shape), devices)
    own = conv3d.by_taps
    steps = {}
    for name, by_taps in (("temporal taps", lambda: True), ("lax.conv_general_dilated", lambda: False)):
        conv3d.by_taps = by_taps
        steps[name] = pmap(step, variables, batch, devices=devices, model=model)
    conv3d.by_taps = own
    gradients = {name: run(variables, batch)[1] for name, run in steps.items()}  # and a warm-up
    first, second = gradients.values()
    apart = optax.global_norm(jax.tree.map(jnp.subtract, first, second)) / optax.global_norm(second)
    times = {name: [] for name in steps}
    for _ in range(flags.runs):
        for name, run in steps.items():
            start = time.perf_counter()
            jax.block_until_ready(run(variables, batch))
            times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(seconds) for name, seconds in times.items()}
    print(f"R3D-18 forward and backward, {flags.clips} clips of {'x'.join(map(str, shape[:3]))}, {devices[0]}")
    for name, median in medians.items():
        print(f"{name:26} {median:8.3f} s   {flags.clips / median:8.2f} clips/s")
    taps, native = medians.values()
    print(f"the taps are {native / taps:.1f} times as fast; the gradients differ by {apart:.1e} of their norm")


if __name__ == "__main__":
    main()
