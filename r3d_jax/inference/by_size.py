"""Video files read in threads and run through a network in batches of one frame size, given back in their order."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from r3d_jax.parallel import in_order
from r3d_jax.video.clips import ClipSpec
from r3d_jax.video.views import open_video_file, read_views, view_seconds


class Seen(NamedTuple):
    """One video, and what a network makes of it or why it cannot be read.

    Attributes:
      video: name of the file, as it was given.
      frames: how many it has; 0 where it cannot be read.
      seconds: when each of its views begins.
      found: what came out for it; None where it cannot be read.
      reason: why it cannot be read; empty where it can.
    """

    video: str
    frames: int
    seconds: Float[np.ndarray, "view"]
    found: Any
    reason: str


def by_size(
    videos: Sequence[str | Path],
    clip: ClipSpec,
    run: Callable[[np.ndarray], Iterable[Any]],
    *,
    batch_size: int,
    workers: int,
    label: str,
) -> Iterator[Seen]:
    """Each video file in its place, once its batch has been run; memory is that of a few batches.

    Args:
      videos: paths of the files, which may be of any frame size and length; `~` is the user's home.
      clip: what is read of a video: the clips that it would be tested on.
      run: of clips [video, view, time, height, width, channel], at most `batch_size` videos: something for each video.
      batch_size: videos that are run together, where their frames are of one size.
      workers: threads that read, each with the clips of four videos ready; 0: one for each core.
      label: of the progress bar.
    """
    waiting: dict[tuple, dict[int, np.ndarray]] = {}  # of each shape of clips, by the videos' places
    read: dict[int, tuple] = {}  # what else is known of those that wait
    done: dict[int, Seen] = {}
    names, next_place = list(map(str, videos)), 0

    def run_shape(shape):
        clips = waiting.pop(shape)
        for place, found in zip(clips, run(np.stack(list(clips.values())))):
            done[place] = Seen(names[place], *read.pop(place), found, "")

    paths = [Path(video).expanduser() for video in videos]
    opened = in_order(partial(_read, clip=clip), paths, label=label, workers=workers, leave=False)
    for place, (clips, frames, seconds, reason) in enumerate(opened):
        if reason:
            done[place] = Seen(names[place], 0, seconds, None, reason)
        else:
            read[place] = frames, seconds
            waiting.setdefault(clips.shape, {})[place] = clips
            if len(waiting[clips.shape]) == batch_size:
                run_shape(clips.shape)
            elif len(read) > 4 * batch_size:  # of many sizes: those that wait longest
                run_shape(next(iter(waiting)))
        while next_place in done:
            yield done.pop(next_place)
            next_place += 1
    while waiting:
        run_shape(next(iter(waiting)))
    for place in sorted(done):
        yield done[place]


def _read(path, *, clip):
    """(clips or None, how many frames the video has, when its views begin, why it cannot be read)."""
    nothing = None, 0, np.zeros(0)
    try:
        video = open_video_file(path)
        return read_views(video, clip), video.info.num_frames, view_seconds(video, clip), ""
    except OSError as error:
        return *nothing, error.strerror or str(error)
    except ValueError as error:
        return *nothing, str(error)
