"""What the scripts of this folder time with, and what they say of the machine."""

import argparse
import importlib.util
import os
import statistics
import time
from importlib.metadata import version

import jax
import jax.numpy as jnp

from r3d_jax.models import processor

REST = 0.1  # seconds


def interleaved(runs, rounds):
    """{name: median seconds} of functions that are run in turn, after one round that does not count.

    Another one begins each round, and each waits before it runs: the threads of some libraries go on turning round for
    a while, at the cost of whoever comes next.
    """
    times = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name in (*[*runs][number % len(runs) :], *[*runs][: number % len(runs)]):
            time.sleep(REST)
            start = time.perf_counter()
            runs[name]()
            if number:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(each) for name, each in times.items()}


def cpu_seconds(function):
    """What a function returns, and the seconds of the processor that it takes."""
    start = time.process_time()
    return function(), time.process_time() - start


def asked_for(document, cases):
    """(those of `cases` that the command line names, or all; how often each is to run): for a script of `document`."""
    flags = argparse.ArgumentParser(description=document, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("networks", nargs="*", default=list(cases), help="of those that the script knows; none: all")
    flags.add_argument("--runs", type=int, default=9)
    found = flags.parse_args()
    return found.networks, found.runs


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


def describe_machine(libraries):
    """The date, the libraries' versions, and the device; of a CPU, its name and what it has for products.

    Args:
      libraries: besides JAX's own; those that are not installed are left out.
    """
    found = ["jax", "jaxlib", "flax", *(name for name in libraries if importlib.util.find_spec(name))]
    versions = ", ".join(f"{name} {version(name)}" for name in found)
    return f"{time.strftime('%Y-%m-%d')}; {versions}; {_device()}, {os.cpu_count()} cores"


def _device():
    device = jax.devices()[0]
    if device.platform != "cpu":
        return device.device_kind
    model, _, rest = processor.name().partition("; ")
    flags = rest.split()
    able = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags]
    return f"{model} ({', '.join(able) or 'no AVX'}{'' if processor.multiplies_bfloat16() else ', no bfloat16'})"
