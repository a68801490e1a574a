"""Frames of the videos that the report shows, as they are or with what speaks for the predicted class."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from r3d_jax.data.builder import VideoSet
from r3d_jax.data.reading import FAILURES, open_video
from r3d_jax.inference.overlay import PICTURES, as_url, middle_frames
from r3d_jax.report.collect import Tested
from r3d_jax.report.page import Strip
from r3d_jax.video.clips import ClipSpec
from r3d_jax.video.views import read_views


def draw_strips(
    chosen: list[int],
    clip: ClipSpec,
    videos: VideoSet,
    tested: Tested,
    maps: Callable | None = None,
) -> list[Strip]:
    """The middle frame of each view of some test videos, as they are or under maps of what speaks for a class.

    Videos that cannot be read any more are left out.

    Args:
      chosen: rows of `tested`.
      clip: what the network sees of a video; at most PICTURES views are drawn, in whole frames.
      maps: a function of `make_maps`, called for the predicted classes; None: no maps.
    """
    found = []
    for i in chosen:
        row, label, predicted = int(tested.rows[i]), int(tested.labels[i]), int(tested.predicted[i])
        images = draw_views(row, clip, videos, predicted, maps)
        if not images:
            continue
        names = videos.class_names
        probability, of_label = (float(tested.probabilities[i, j]) for j in (predicted, label))
        video = str(videos.index["name"][row])
        found.append(Strip(video, names[label], names[predicted], probability, of_label, images))
    return found


def draw_views(row: int, clip: ClipSpec, videos: VideoSet, label: int = 0, maps: Callable | None = None) -> list[str]:
    """Addresses of the middle frame of each view of a video, or under maps of what speaks for a class.

    Empty where the video cannot be read any more.

    Args:
      row: of the data set's index.
      clip: what the network sees of a video; at most PICTURES views are drawn, in whole frames.
      label: the class.
      maps: a function of `make_maps`; None: no maps.
    """
    try:
        views = read_views(open_video(videos, row), replace(clip, views=min(clip.views, PICTURES), crops=1))
    except FAILURES:  # it could be read a moment ago: its disk is failing
        return []
    frames = middle_frames(views, maps(views[None], np.array([label]))[0]) if maps else views[:, clip.frames // 2]
    return [as_url(frame) for frame in frames]


def worst(tested: Tested, count: int) -> list[int]:
    """At most `count` rows of `tested` that are wrong, those with the highest probability, the worst first."""
    wrong = tested.predicted != tested.labels
    return [int(i) for i in np.argsort(-tested.confidence, kind="stable") if wrong[i]][:count]


def some(tested: Tested, count: int) -> list[int]:
    """At most `count` rows of `tested` to be looked at more closely.

    Up to half of them are the worst mistakes; the others are right, the surest video of each of so many classes.
    """
    wrong, found = worst(tested, count // 2), tested.predicted == tested.labels
    right: dict[int, int] = {}
    for i in np.argsort(-tested.confidence, kind="stable"):
        if found[i]:
            right.setdefault(int(tested.labels[i]), int(i))
    return wrong + list(right.values())[: count - len(wrong)]
