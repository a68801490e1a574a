"""python -m benchmarks.few [NETWORK ...]: of how few outputs of a clip a kernel gradient is computed tap by tap.

Networks on small clips, on a CPU: seconds of a training step, in turn, medians. Of more outputs, kernel gradients are
computed clip by clip. Weights and clips are random.
"""

import math

import jax

from benchmarks.limits import CASES, example, shape, training_step
from benchmarks.timing import asked_for, describe_machine, interleaved
from r3d_jax.models import onednn_gradient

LIMITS = (0, 1000, math.inf)


def step_of(model, state, batch, few):
    """A training step to run."""
    onednn_gradient.FEW = few
    jax.clear_caches()
    step = training_step(model, state, batch)
    return lambda: jax.block_until_ready(step(state, batch))


def main():
    networks, runs = asked_for(__doc__, CASES)
    jax.config.update("jax_enable_compilation_cache", False)
    print(describe_machine([]), flush=True)
    print("\n| | tap by tap below | training step | speed |\n|---|---|---|---|")
    for name in networks:
        given = example(name)
        times = interleaved({few: step_of(*given, few) for few in LIMITS}, runs)
        for few, seconds in times.items():
            print(f"| {shape(name)} | {few} | {seconds:.3f} s | {times[LIMITS[0]] / seconds:.2f} |", flush=True)


if __name__ == "__main__":
    main()
