"""python -m benchmarks.fuzz FOLDER: damaged copies of the videos in FOLDER, each read under a time limit.

Bytes are changed, cut out, repeated, or taken from another file. Every variant is to be read or refused: none may
crash the process, hang, or leave memory behind; and what is read is to be the same when it is read again by a decoder
that has read something else before.
"""

import argparse
import collections
import ctypes
import resource
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from r3d_jax.video.clips import train_clip
from r3d_jax.video.folder import videos_in
from r3d_jax.video.pixels import read_window
from r3d_jax.video.probe import probe
from r3d_jax.video.transforms import draw_crop_window

LIMIT = 60  # seconds a variant
LARGEST = 1_000_000  # bytes of a file that is used: variants of large frames take long


def variant(files, seed):
    """A damaged copy of one of `files`: a pure function of the seed."""
    rng = np.random.default_rng(seed)
    data = bytearray(files[rng.integers(len(files))].read_bytes())
    kind = ("flip", "header", "cut", "hole", "repeat", "splice")[rng.integers(6)]
    place, length = int(rng.integers(len(data))), int(rng.integers(1, max(2, len(data) // 4)))
    if kind in ("flip", "header"):
        reach = len(data) if kind == "flip" else min(len(data), 2048)
        for at in rng.integers(reach, size=int(rng.integers(1, 200))):
            data[at] = int(rng.integers(256))
    elif kind == "cut":
        del data[place:]
    elif kind == "hole":
        del data[place : place + length]
    elif kind == "repeat":
        data[place:place] = data[place : place + length]
    else:
        other = files[rng.integers(len(files))].read_bytes()
        start = int(rng.integers(len(other)))
        data[place : place + length] = other[start : start + length]
    return bytes(data)


def read_variant(files, seed):
    """What comes of it."""
    data = variant(files, seed)
    try:
        info, packet_index = probe(data)
    except ValueError:
        return "refused"
    rng = np.random.default_rng(seed)
    indices = train_clip(info.num_frames, rng, frames=8, stride=1)
    window = draw_crop_window(rng, sizes=(128, 160), crop=112, flip=0.5)
    try:
        first = read_window(data, packet_index, info, indices, window)
    except ValueError:
        return "refused on reading"
    again = read_window(data, packet_index, info, indices, window)
    return "read" if np.array_equal(first, again) else "UNSTEADY"


def work(files, pipe):
    """Reads the variants whose seeds come through the pipe."""
    give_back = ctypes.CDLL("libc.so.6").malloc_trim
    while (seed := pipe.recv()) is not None:
        found = read_variant(files, seed)
        give_back(0)  # what was freed, so that only what is still held counts
        with open("/proc/self/statm") as file:
            pipe.send((found, int(file.read().split()[1]) * resource.getpagesize() / 2**20))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--variants", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()
    files = [path for path in videos_in(flags.folder) if 0 < path.stat().st_size <= LARGEST]
    context, found, memory, slowest = get_context("spawn"), collections.Counter(), [], 0.0
    process = pipe = None
    for seed in range(flags.seed, flags.seed + flags.variants):
        if process is None:
            pipe, theirs = context.Pipe()
            process = context.Process(target=work, args=(files, theirs), daemon=True)
            process.start()
            theirs.close()
        start = time.monotonic()
        pipe.send(seed)
        try:
            what, size = pipe.recv() if pipe.poll(LIMIT) else ("HANGS", None)
        except EOFError:
            what, size = "CRASHES", None
        slowest = max(slowest, time.monotonic() - start)
        found[what] += 1
        if size is None:
            process.kill()
            process = None
        else:
            memory.append(size)
        if what.isupper():
            print(f"variant {seed}: {what}", flush=True)
    if process:
        pipe.send(None)
        process.join()
    print(f"{flags.variants:,} variants of {len(files)} files:", dict(found), f"slowest {slowest:.1f} s")
    tenths = [memory[int(share * (len(memory) - 1))] for share in np.linspace(0, 1, 11)]
    print("memory:", ", ".join(f"{size:.0f}" for size in tenths), f"MiB; at most {max(memory):.0f}")


if __name__ == "__main__":
    main()
