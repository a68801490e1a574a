"""Classes of the videos in files, batched across videos of one frame size, given back in the order of the files."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from r3d_jax.data.parallel import in_order
from r3d_jax.data.transforms import cutter
from r3d_jax.data.views import Video, Views, open_video_file, read_views
from r3d_jax.inference.forward import make_forward, probabilities
from r3d_jax.inference.inputs import Named
from r3d_jax.inference.rows import Row
from r3d_jax.weights.saved import Loaded


def predict(
    network: Loaded, videos: Sequence[Named], *, views: int = 0, batch: int = 4, workers: int = 2
) -> Iterator[Row]:
    """One row for each video, under a progress bar: from the clips that it would be tested on.

    Args:
      views: clips of a video; 0: as many as the network was tested with.
      batch: videos that run through the network together, where their frames are of one size.
      workers: threads that read; each holds the clips of some videos ready.
    """
    forward = make_forward(network)
    waiting: dict[tuple, dict[int, Views]] = {}  # of each shape of clips, by the videos' places
    done: dict[int, Row] = {}
    names, frames, next_place = [str(named.path) for named in videos], {}, 0

    def run(shape):
        clips = waiting.pop(shape)
        rows = probabilities(forward(np.stack(list(clips.values()))), network)
        for place, row in zip(clips, rows):
            done[place] = Row(names[place], {"frames": frames.pop(place)}, row)

    read = partial(_read, network=network, views=views)
    found = in_order(read, videos, label="Predicting", workers=workers, leave=False)
    for place, (clips, count, reason) in enumerate(found):
        if reason:
            done[place] = Row(names[place], {"frames": 0}, None, reason)
        else:
            frames[place] = count
            waiting.setdefault(clips.shape, {})[place] = clips
            if len(waiting[clips.shape]) == batch:
                run(clips.shape)
            elif len(frames) > 4 * batch:  # of many sizes: those that wait longest
                run(next(iter(waiting)))
        while next_place in done:
            yield done.pop(next_place)
            next_place += 1
    while waiting:
        run(next(iter(waiting)))
    for place in sorted(done):
        yield done[place]


def read_clips(path: str | Path, network: Loaded, views: int = 0) -> Views:
    """The clips that the video in the file `path` would be tested on; `views` of them, 0: as many as in testing.

    Raises:
      ValueError, OSError: it cannot be read; the message is the reason.
    """
    return clips_of_video(open_video_file(Path(path)), network, views)


def clips_of_video(video: Video, network: Loaded, views: int = 0) -> Views:
    """Likewise of an opened video."""
    time, height, *_ = network.clip_shape
    return read_views(
        video,
        views=views or network.views,
        frames=time,
        stride=network.stride,
        frame_rate=network.frame_rate,
        size=network.test_size,
        cut=cutter(network.crops, height),
    )


def _read(named, *, network, views):
    """(clips or None, how many frames the video has, why it cannot be read)."""
    if named.reason:
        return None, 0, named.reason
    try:
        video = open_video_file(named.path)
        return clips_of_video(video, network, views), video.info.num_frames, ""
    except OSError as error:
        return None, 0, error.strerror or str(error)
    except ValueError as error:
        return None, 0, str(error)
