"""python -m benchmarks.odd FOLDER: every file's frames, against those that FFmpeg's own program decodes.

Each file is read in a process of its own with a time limit, as a whole and then by single frames. It has to give the
frames that `ffmpeg` gives (which must be installed: apt install ffmpeg) or one named error. Also prints the memory that
reading all files twice leaves behind.
"""

import argparse
import gc
import resource
import subprocess
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from r3d_jax.video.pixels import read_frames
from r3d_jax.video.probe import probe

LIMIT = 120  # seconds a file


def check_file(path):
    """One line on a file."""
    data = path.read_bytes()
    try:
        info, packet_index = probe(data)
    except ValueError as error:
        theirs = ffmpeg(path, None)
        return "refused", f"{error} (ffmpeg: {theirs.count} frames{', with errors' if theirs.errors else ''})"
    stored = read_frames(data, packet_index, np.arange(1)).shape[1:3]
    theirs = ffmpeg(path, stored)
    if theirs.count != info.num_frames:
        return "DIFFERENT", f"{info.num_frames} frames, {theirs.count} by ffmpeg"
    apart, middle = [], []
    for i in np.unique(np.linspace(0, info.num_frames - 1, 40).astype(int)):  # each entered by itself
        frame = read_frames(data, packet_index, np.array([i]))[0]
        difference = frame.astype(int) - theirs.frame(i)
        apart.append(np.abs(difference).mean())
        middle.append(np.median(np.abs(difference)))
    how = "by packets" if len(packet_index.packets) else "from the start"
    # Versions of FFmpeg interpolate colour in their own ways, which shows at sharp edges; a wrong matrix or range shows
    # everywhere.
    verdict = "same" if max(apart) < 1 else "alike" if max(middle) <= 1 else "DIFFERENT"
    return (
        verdict,
        f"{info.num_frames} frames {how}, pixels {np.mean(apart):.2f} apart on average, {max(apart):.2f} at most",
    )


class Theirs:
    """FFmpeg's frames, in a file of raw pixels."""

    def __init__(self, raw, size, errors):
        self.size, self.errors = size, errors
        self.pixels = np.frombuffer(raw, np.uint8)
        self.count = len(self.pixels) // (size[0] * size[1] * 3) if size else len(self.pixels)

    def frame(self, i):
        """Frame i."""
        length = self.size[0] * self.size[1] * 3
        return self.pixels[i * length : (i + 1) * length].reshape(*self.size, 3).astype(int)


def ffmpeg(path, size):
    """All frames of the first video stream, or only their number (`size` None)."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:V:0", "-fps_mode", "passthrough"]
    if size is None:
        command += ["-vf", "scale=1:1", "-pix_fmt", "gray"]
    else:
        command += ["-pix_fmt", "rgb24"]
    done = subprocess.run([*command, "-f", "rawvideo", "-"], capture_output=True, timeout=LIMIT)
    return Theirs(done.stdout, size, bool(done.stderr))


def in_process(path, queue):
    """For a process that may crash or hang."""
    queue.put(check_file(path))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    paths = sorted(path for path in parser.parse_args().folder.iterdir() if path.is_file())
    verdicts = {}
    context = get_context("spawn")
    for path in paths:
        queue = context.SimpleQueue()
        process = context.Process(target=in_process, args=(path, queue))
        process.start()
        process.join(2 * LIMIT)
        if process.is_alive():
            process.kill()
            verdict, detail = "HANGS", ""
        elif process.exitcode:
            verdict, detail = "CRASHES", f"exit code {process.exitcode}"
        else:
            verdict, detail = queue.get()
        verdicts[verdict] = verdicts.get(verdict, 0) + 1
        print(f"{path.name:46} {verdict:9} {detail}", flush=True)
    print(", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items())))
    print(f"memory after reading all once {leftover(paths)}, twice {leftover(paths)} MiB")


def leftover(paths):
    """Resident MiB after the first, middle and last frame of every file."""
    for path in paths:
        data = path.read_bytes()
        try:
            info, packet_index = probe(data)
        except ValueError:
            continue
        read_frames(data, packet_index, np.array([0, info.num_frames // 2, info.num_frames - 1]))
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() // 2**20


if __name__ == "__main__":
    main()
