"""Stretches of what is watched in which something is seen, as video files."""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from r3d_jax.inference.timeline import free_path
from r3d_jax.inference.watch import Seen
from r3d_jax.video.encode import write_video
from r3d_jax.video.stream import Moment

LONGEST = 60.0  # seconds of one file, which is in memory until it is written


def recorded(
    seen: Iterable[Seen],
    folder: Path,
    class_names: tuple[str, ...],
    threshold: float,
    *,
    told: Callable[[str], None] = print,
    now: Callable[[], float] = time.time,
) -> Iterator[Seen]:
    """Gives on what is seen, and writes the frames of stretches in which a class reaches `threshold`.

    The files are called YEARMONTHDAY-HOURMINUTESECOND-CLASS.mp4, by when they begin and their likeliest class, and have
    the frames that the network has seen, at their times and in its size. What goes on after LONGEST seconds goes into a
    next file.

    Args:
      folder: is made where there is none.
      told: is called with a line for each file.
      now: seconds since 1970.

    Raises:
      OSError: the folder cannot be written to.
    """
    frames, best, started = [], np.zeros(len(class_names)), 0.0

    def write():
        if not frames:
            return
        kind = re.sub(r"[^\w-]+", "_", class_names[int(best.argmax())])
        stem = f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(started))}-{kind}"
        path, first = free_path(folder, stem, ".mp4"), frames[0].seconds
        write_video(path, (each._replace(seconds=each.seconds - first) for each in frames))
        told(f"{path}: {frames[-1].seconds - first:.1f} s")
        frames.clear()

    try:
        for each in seen:
            stretch, passes = each.stretch, each.probabilities.max() >= threshold
            other = frames and (
                frames[0].frame.shape != stretch.clip.shape[1:]
                or stretch.start > frames[-1].seconds + LONGEST
                or stretch.end > frames[0].seconds + LONGEST
            )
            if not passes or other:
                write()
            if passes:
                if not frames:
                    best, started = np.zeros(len(class_names)), now() - (stretch.end - stretch.start)
                best = np.maximum(best, each.probabilities)
                after = frames[-1].seconds if frames else -np.inf
                frames += [
                    Moment(float(s), frame) for s, frame in zip(stretch.seconds, stretch.clip) if s > after + 1e-3
                ]
            yield each
    finally:
        write()
