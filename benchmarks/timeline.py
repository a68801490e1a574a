"""python -m benchmarks.timeline RUN: memory and speed of `predict --timeline` on a short video and on a long one."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np

from r3d_jax.data.demo import CLASSES, draw_video
from r3d_jax.video.stream import stream

RATE, SIZE = 25, 48


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--minutes", type=int, nargs="+", default=[5, 30])
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for minutes in flags.minutes:
            video = Path(folder) / f"{minutes}.mp4"
            _write(video, minutes * 60 * RATE)
            command = [
                sys.executable,
                "-m",
                "r3d_jax",
                "predict",
                flags.run,
                str(video),
                "--timeline",
                "--plots",
                folder,
            ]
            start = time.perf_counter()
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
                rows = sum(1 for _ in process.stdout)
                _, _, usage = os.wait4(process.pid, 0)
            seconds, peak = time.perf_counter() - start, usage.ru_maxrss / 1024
            print(f"{minutes} minutes: {rows:,} stretches in {seconds:.1f} s, peak memory {peak:,.0f} MiB")


def _write(path, frames):
    """The demo's videos, one after the other."""
    every = [moment.frame for name in CLASSES for moment in stream(draw_video(name, 0, 5, 0), size=SIZE)]
    with av.open(str(path), "w") as output:
        track = output.add_stream("mpeg4", rate=RATE)
        track.height, track.width = every[0].shape[:2]
        track.pix_fmt = "yuv420p"
        for i in range(frames):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(every[i % len(every)]), format="rgb24")
            output.mux(track.encode(picture))
        output.mux(track.encode())


if __name__ == "__main__":
    main()
