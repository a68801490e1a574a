"""python -m benchmarks.sizes: `predict` on 20 videos of 20 frame sizes, against 20 of one size, in new processes.

R3D-18 of random weights, random videos; each frame size takes a program of its own. Wall and CPU seconds of all 20, of
the whole process, in turn, medians.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import jax
import numpy as np

from benchmarks.timing import describe_machine

VIDEOS, FRAMES, HEIGHT, WIDTH = 20, 24, 240, 320
CHILD = "from benchmarks import sizes; sizes.predict_all({!r}, {})"


def predict_all(folder, views):
    """Predicts every video in `folder`."""
    from r3d_jax.inference.predict import predict
    from r3d_jax.models.classifier import build, init_variables
    from r3d_jax.video.clips import ClipSpec
    from r3d_jax.weights.trained import TrainedNetwork

    clip = ClipSpec(frames=8, crop=112, test_size=128, views=views)
    model = build("r3d_18", 101, pool=(1, 7, 7))
    variables = init_variables(model, jax.random.key(0), clip.shape)
    network = TrainedNetwork(model, variables, tuple(map(str, range(101))), clip)
    assert all(not each.reason for each in predict(network, sorted(Path(folder).iterdir())))


def write_videos(folder, widths):
    rng = np.random.default_rng(0)
    folder.mkdir()
    for number, width in enumerate(widths):
        with av.open(folder / f"{number:02}.avi", "w") as output:
            stream = output.add_stream("mpeg4", rate=25)
            stream.width, stream.height = width, HEIGHT
            for _ in range(FRAMES):
                pixels = np.repeat(np.repeat(rng.integers(0, 256, (HEIGHT // 8, width // 8, 3), np.uint8), 8, 0), 8, 1)
                output.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
            output.mux(stream.encode(None))
    return str(folder)


def seconds(folder, views, cache):
    """(wall, CPU) seconds of a process that predicts all videos in `folder`."""
    before, start = os.times(), time.perf_counter()
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": cache}
    subprocess.run([sys.executable, "-c", CHILD.format(folder, views)], check=True, env=environment)
    after = os.times()
    wall = time.perf_counter() - start
    return wall, after.children_user + after.children_system - before.children_user - before.children_system


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--views", type=int, nargs="+", default=[10])
    flags.add_argument("--rounds", type=int, default=3)
    flags = flags.parse_args()
    print(describe_machine([]))
    print("\n| 20 videos | one size | 20 sizes | ratio |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        folders = {
            "one size": write_videos(root / "one", [WIDTH] * VIDEOS),
            "20 sizes": write_videos(root / "many", [WIDTH + 8 * i for i in range(VIDEOS)]),
        }
        for views in flags.views:
            seconds(folders["one size"], views, f"{temporary}/cache")  # fills the cache
            taken = {name: [] for name in folders}
            for _ in range(flags.rounds):
                for name, folder in folders.items():
                    taken[name].append(seconds(folder, views, f"{temporary}/cache"))
            for place, clock in enumerate(("wall", "CPU")):
                one, many = (statistics.median(each[place] for each in taken[name]) for name in folders)
                print(f"| {views} views each: {clock} | {one:.1f} s | {many:.1f} s | {many / one:.2f} |", flush=True)


if __name__ == "__main__":
    main()
