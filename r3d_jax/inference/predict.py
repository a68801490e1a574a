"""Classes of the videos in files, batched across videos of one frame size, given back in the order of the files."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from r3d_jax.errors import InputError
from r3d_jax.inference.forward import make_forward, probabilities
from r3d_jax.parallel import in_order
from r3d_jax.video.views import Views, open_video_file, read_views
from r3d_jax.weights.trained import TrainedNetwork


class Prediction(NamedTuple):
    """Probabilities of a video or of a stretch of it, or why there are none.

    Attributes:
      video: the file, as it was named.
      where: `frames` of a whole video, or `start` and `end` of a stretch in seconds.
      probabilities: of the network's classes; None where the video cannot be read.
      reason: why it cannot be read; empty where it can.
    """

    video: str
    where: dict[str, int | float]
    probabilities: Float[np.ndarray, "class"] | None = None
    reason: str = ""


def predict(
    network: TrainedNetwork, videos: Sequence[str | Path], *, views: int = 0, batch_size: int = 4, workers: int = 2
) -> Iterator[Prediction]:
    """A prediction for each video file, in their order, from the clips that it would be tested on.

    Files may be of any frame size and length. One that cannot be read gets a prediction without probabilities.

    Args:
      network: as `load` gives it.
      videos: paths of files.
      views: clips of a video; 0: as many as the network is tested with.
      batch_size: videos that run through the network together, where their frames are of one size.
      workers: threads that read; each holds the clips of some videos ready.

    Raises:
      InputError: a number below what makes sense.
    """
    if batch_size < 1 or views < 0 or workers < 0:
        raise InputError(
            f"`batch_size` (={batch_size}) must be at least 1, `views` (={views}) and `workers` (={workers}) 0"
        )
    return _predict(network, videos, replace(network.clip, views=views or network.clip.views), batch_size, workers)


def best(probabilities: Float[np.ndarray, "class"], class_names: Sequence[str], top: int) -> list[tuple[str, float]]:
    """The `top` likeliest classes with their probabilities, the likeliest first; of equals, the lower class."""
    order = np.argsort(-probabilities, kind="stable")[:top]
    return [(class_names[i], float(probabilities[i])) for i in order]


def _predict(network, videos, clip, batch_size, workers):
    forward = make_forward(network)
    waiting: dict[tuple, dict[int, Views]] = {}  # of each shape of clips, by the videos' places
    done: dict[int, Prediction] = {}
    names, frames, next_place = list(map(str, videos)), {}, 0

    def run(shape):
        clips = waiting.pop(shape)
        rows = probabilities(forward(np.stack(list(clips.values()))), network)
        for place, row in zip(clips, rows):
            done[place] = Prediction(names[place], {"frames": frames.pop(place)}, row)

    found = in_order(
        partial(_read, clip=clip), list(map(Path, videos)), label="Predicting", workers=workers, leave=False
    )
    for place, (clips, count, reason) in enumerate(found):
        if reason:
            done[place] = Prediction(names[place], {"frames": 0}, None, reason)
        else:
            frames[place] = count
            waiting.setdefault(clips.shape, {})[place] = clips
            if len(waiting[clips.shape]) == batch_size:
                run(clips.shape)
            elif len(frames) > 4 * batch_size:  # of many sizes: those that wait longest
                run(next(iter(waiting)))
        while next_place in done:
            yield done.pop(next_place)
            next_place += 1
    while waiting:
        run(next(iter(waiting)))
    for place in sorted(done):
        yield done[place]


def _read(path, *, clip):
    """(clips or None, how many frames the video has, why it cannot be read)."""
    try:
        video = open_video_file(path.expanduser())
        return read_views(video, clip), video.info.num_frames, ""
    except OSError as error:
        return None, 0, error.strerror or str(error)
    except ValueError as error:
        return None, 0, str(error)
