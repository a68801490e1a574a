"""Features of the videos in files: what a block of a network's trunk makes of each, as one vector or one a view."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from r3d_jax.errors import InputError
from r3d_jax.inference.by_size import by_size
from r3d_jax.inference.forward import make_features
from r3d_jax.settings import check_least
from r3d_jax.weights.trained import TrainedNetwork


class VideoFeatures(NamedTuple):
    """Features of a video or of each of its views, or why there are none.

    Attributes:
      video: name of the file, as it was given.
      frames: how many it has; 0 where it cannot be read.
      seconds: when each of its views begins, from the video's first frame.
      features: the mean over the views, or with `each_view` one row for each; None where the video cannot be read.
      reason: why the video cannot be read; empty where it can.
    """

    video: str
    frames: int
    seconds: Float[np.ndarray, "view"]
    features: Float[np.ndarray, "feature"] | Float[np.ndarray, "view feature"] | None = None
    reason: str = ""


def video_features(
    network: TrainedNetwork,
    videos: Sequence[str | Path],
    *,
    block: str = "",
    each_view: bool = False,
    views: int = 0,
    batch_size: int = 4,
    workers: int = 2,
) -> Iterator[VideoFeatures]:
    """Features of each video file, in their order: a block's output, averaged over time, height and width.

    They are of the clips that the video would be tested on. Files may be of any frame size and length; one that cannot
    be read comes without features. For example:

        network = r3d_jax.load("runs/mine")
        rows = np.stack([each.features for each in r3d_jax.video_features(network, paths)])

    Args:
      network: a trained network, as `load` gives it.
      videos: paths of the files; `~` is the user's home.
      block: name of the trunk's block; empty: the one that the network's (first) head reads.
      each_view: whether each view has its features, in place of their mean.
      views: clips of a video, evenly spaced; 0: as many as the network is tested with.
      batch_size: videos that run through the network together, where their frames are of one size.
      workers: threads that read, each with the clips of four videos ready; 0: one for each core.

    Raises:
      InputError: the trunk has no such block; `batch_size` is below 1, or `views` or `workers` below 0; while it is
        iterated over: features are not finite, which weights that are far too large lead to.
    """
    check_least(batch_size=(batch_size, 1), views=(views, 0), workers=(workers, 0))
    forward, clip = make_features(network, block), replace(network.clip, views=views or network.clip.views)

    def run(clips):
        found = forward(clips)
        if not np.isfinite(found).all():
            raise InputError(
                "the features are not numbers: the network's weights are finite, but so large that computing with them "
                "overflows; take an earlier checkpoint, or convert it again"
            )
        return found if each_view else found.mean(1)

    seen = by_size(videos, clip, run, batch_size=batch_size, workers=workers, label="Features")
    return (VideoFeatures(*each) for each in seen)
