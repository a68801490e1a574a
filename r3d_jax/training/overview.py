"""What a run is told of its videos before it trains, and the accuracy that its tests are to be held against."""

from collections.abc import Sequence

import jax
import numpy as np

from r3d_jax.config import Config
from r3d_jax.data.builder import VideoSet
from r3d_jax.data.census import census_of, largest_class, mixed_rates, table, uneven
from r3d_jax.data.sampling import split_rows, spread_over_classes


def overview(config: Config, videos: VideoSet, steps: int, devices: Sequence[jax.Device]) -> list[str]:
    """A table of the classes, the accuracy of always answering the largest, and what is uneven or mixed, as lines.

    The last line names the fold and the numbers of all.

    Args:
      steps: of an epoch.
      devices: that are trained on.

    Raises:
      InputError: the data set does not have the fold, or the fold no training or no test video.
    """
    census, clip, several = _census(config, videos), config.clip, videos.multi_label
    train, test = (len(split_rows(videos, config.data.fold, split)) for split in ("train", "test"))
    used = videos.index[f"fold{config.data.fold}"] != "none"
    rates = [] if clip.frame_rate else videos.index["frame_rate"][used].tolist()
    (name, share), count = largest_class(census), len(videos.class_names)
    largest = f"always answering {name}, the largest class, is right for {share:.2%} of the test videos"
    return [
        *table(census, train, test),
        *([] if several else [largest]),
        *uneven(census),
        *mixed_rates(rates, frames=clip.frames, stride=clip.stride),
        f"{config.data.name} fold {config.data.fold}: {train} training and {test} test "
        f"videos, {count} classes; {steps} steps an epoch on {len(devices)} {devices[0].platform} device(s)",
    ]


def baseline(config: Config, videos: VideoSet) -> float | None:
    """The accuracy of always answering the largest class on the videos that are tested, from 0 to 1.

    None where videos have several labels, whose measure is no accuracy.

    Raises:
      InputError: the data set does not have the fold, or the fold no training or no test video.
    """
    if videos.multi_label:
        return None
    return largest_class(_census(config, videos, config.eval.videos))[1]


def _census(config, videos, count=0):
    """With a `count`, of so many test videos, as they are drawn for a test."""
    labels, fold = videos.index["label"], config.data.fold
    train, test = (split_rows(videos, fold, split) for split in ("train", "test"))
    if count:
        test = spread_over_classes(labels, test, count, config.train.seed)
    members = ["train"] * len(train) + ["test"] * len(test)
    return census_of(labels[np.concatenate([train, test])], members, videos.class_names)
