"""python -m benchmarks.fused [NETWORK ...]: predicting with what follows each convolution fused into it, and without.

CPU seconds until a program for a new frame size can run (tracing, preparing the weights, compiling), and seconds of a
forward pass, in turn, medians, with their ratios. On one CPU with oneDNN; weights and clips are random.
"""

from functools import partial

import jax
import numpy as np

from benchmarks.timing import asked_for, cpu_seconds, describe_machine, interleaved
from r3d_jax.compiling import compiler_options
from r3d_jax.models.classifier import build, init_variables
from r3d_jax.models.fused import fused
from r3d_jax.models.predict import predict_views

CASES = {  # network: clips, frames, height and width
    "r3d_18": ((1, 8, 112), (8, 8, 112)),
    "torchvision_r2plus1d_18": ((2, 8, 112),),
    "resnext3d_101_32x8d": ((1, 8, 112),),
    "ircsn_50": ((8, 8, 112),),
    "x3d_s": ((8, 13, 128),),
    "slowfast_r50": ((1, 32, 112),),
}


def measure(name, clips, frames, size, runs):
    """Prints a row."""
    model = build(name, 101)
    variables = init_variables(model, jax.random.key(0), (frames, size, size, 3))
    views = np.random.default_rng(0).integers(0, 256, (1, clips, frames, size, size, 3), np.uint8)
    function, options = partial(predict_views, model=model), compiler_options("cpu")
    if fused(function, variables, views) is None:
        return print(f"| {name}, {clips} x {frames}x{size}x{size} | nothing is fused |", flush=True)

    def whole():
        compiled = jax.jit(function).lower(variables, views).compile(compiler_options=options)
        return lambda: jax.block_until_ready(compiled(variables, views))

    def in_one():
        found = fused(function, variables, views)
        prepared = jax.device_put(found.prepare(variables))
        compiled = jax.jit(found.run).lower(prepared, views).compile(compiler_options=options)
        return lambda: jax.block_until_ready(compiled(prepared, views))

    (plain, slow), (fast, quick) = cpu_seconds(whole), cpu_seconds(in_one)
    expected, result = np.asarray(plain()), np.asarray(fast())
    assert np.abs(result - expected).max() < 1e-5 * np.abs(expected).max()
    times = interleaved({"whole": plain, "fused": fast}, runs)
    cells = [f"{slow:.1f} s", f"{quick:.1f} s", f"{slow / quick:.1f}"]
    cells += [f"{times['whole']:.3f} s", f"{times['fused']:.3f} s", f"{times['whole'] / times['fused']:.2f}"]
    print(f"| {name}, {clips} x {frames}x{size}x{size} | {' | '.join(cells)} |", flush=True)


def main():
    networks, runs = asked_for(__doc__, CASES)
    print(describe_machine([]), flush=True)
    print("\n| | until it runs | fused | ratio | forward pass | fused | ratio |\n|---|---|---|---|---|---|---|")
    for name in networks:
        for case in CASES[name]:
            measure(name, *case, runs)


if __name__ == "__main__":
    main()
