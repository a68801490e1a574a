"""python -m benchmarks.limits [NETWORK ...]: from how many multiply-adds on oneDNN takes a convolution.

Networks on small clips, on a CPU: CPU seconds of compiling a training step, and seconds of a training step and of a
forward pass, in turn, medians, by the least work that oneDNN is called for. For less, convolutions are sums of 2-D
ones. Weights and clips are random.
"""

import math
from functools import partial

import jax
import numpy as np

from benchmarks.timing import asked_for, cpu_seconds, describe_machine, interleaved
from r3d_jax.compiling import compiler_options
from r3d_jax.models import conv3d
from r3d_jax.models.classifier import build
from r3d_jax.models.predict import predict_fn
from r3d_jax.training.optim import sgd
from r3d_jax.training.state import init_state
from r3d_jax.training.steps import train_step
from r3d_jax.video.clips import ClipSpec

CASES = {  # name: network, its options, clips, frames, height and width
    "demo": ("r3d_18", {"planes": 8, "stem_planes": 8}, 16, 8, 32),
    "demo, one clip": ("r3d_18", {"planes": 8, "stem_planes": 8}, 1, 8, 32),
    "r3d_50": ("r3d_50", {}, 2, 8, 64),
    "x3d_s": ("x3d_s", {}, 4, 8, 64),
    "ircsn_50": ("ircsn_50", {}, 2, 8, 64),
    "slowfast_r50": ("slowfast_r50", {}, 1, 32, 64),
}
LIMITS = (math.inf, 3e8, 3e7, 3e6, 0)


def training_step(model, state, batch):
    """The step of training, compiled."""
    step = jax.jit(partial(train_step, model=model, tx=sgd(0.1)), compiler_options=compiler_options("cpu"))
    return step.lower(state, batch).compile()


def programs(model, state, batch, limit):
    """A training step and a forward pass to run, and CPU seconds that compiling the step took."""
    conv3d.WORTHWHILE = limit
    jax.clear_caches()
    views = batch["clip"][:, None]
    step, seconds = cpu_seconds(lambda: training_step(model, state, batch))
    predict = jax.jit(partial(predict_fn, model=model), compiler_options=compiler_options("cpu"))
    predict = predict.lower(state.variables, views).compile()
    return (
        lambda: jax.block_until_ready(step(state, batch)),
        lambda: jax.block_until_ready(predict(state.variables, views)),
        seconds,
    )


def example(name):
    """A network of CASES, the state before its training, and a batch of random clips."""
    network, options, count, frames, size = CASES[name]
    model = build(network, 8, **options)
    clip = ClipSpec(frames=frames, crop=size, train_sizes=(size, size), test_size=size)
    clips = np.random.default_rng(0).integers(0, 256, (count, frames, size, size, 3), np.uint8)
    batch = {"clip": clips, "label": np.arange(count, dtype=np.int32) % 8}
    return model, init_state(model, sgd(0.1), clip=clip), batch


def shape(name):
    """What the clips of one of CASES are, as in "demo, 16 x 8x32x32"."""
    *_, count, frames, size = CASES[name]
    return f"{name}, {count} x {frames}x{size}x{size}"


def measure(name, runs):
    """Prints the rows of a network."""
    model, state, batch = example(name)
    made = {limit: programs(model, state, batch, limit) for limit in LIMITS}
    steps, forward = (interleaved({limit: each[k] for limit, each in made.items()}, runs) for k in (0, 1))
    for limit, (*_, seconds) in made.items():
        ratios = [f"{times[LIMITS[0]] / times[limit]:.2f}" for times in (steps, forward)]
        cells = [f"{seconds:.1f} s", f"{steps[limit]:.3f} s", ratios[0], f"{forward[limit]:.4f} s", ratios[1]]
        print(f"| {shape(name)} | {limit:.0e} | {' | '.join(cells)} |", flush=True)


def main():
    networks, runs = asked_for(__doc__, CASES)
    jax.config.update("jax_enable_compilation_cache", False)
    print(describe_machine([]), flush=True)
    print(
        "\n| | least work | compiling | training step | speed | forward pass | speed |\n|---|---|---|---|---|---|---|"
    )
    for name in networks:
        measure(name, runs)


if __name__ == "__main__":
    main()
