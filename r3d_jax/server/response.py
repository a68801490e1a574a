"""The response to one video: its classes, their course over time, and what speaks for the likeliest of them."""

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from r3d_jax.inference.forward import probabilities
from r3d_jax.inference.overlay import PICTURES, as_url, middle_frames
from r3d_jax.inference.predict import best
from r3d_jax.video.clips import eval_clips
from r3d_jax.video.views import Video, Views, moments, read_views
from r3d_jax.weights.trained import TrainedNetwork

POINTS = 30  # of a timeline, at most; with the ten views of a video 40 clips
OBLONG = 4  # the longest edge that is taken, over the shortest: memory goes with it


class Question(NamedTuple):
    """What is to be found out about one video: its clips, and when they are shown.

    Attributes:
      views: the clips that the video would be tested on.
      along: clips of whole frames along the video, at most POINTS; none where its course over time is not asked for.
      view_seconds, along_seconds: the middle of each clip in time, in seconds; of views for each crop again.
      frames: how many frames the video has.
      seconds: when its last frame is shown, in seconds from the first.
    """

    views: Views
    along: Views
    view_seconds: Float[np.ndarray, "view"]
    along_seconds: Float[np.ndarray, "point"]
    frames: int
    seconds: float


def ask(video: Video, network: TrainedNetwork, *, timeline: bool) -> Question:
    """Reads the clips of an opened video that a response is made of.

    Args:
      network: what the clips are for: their number, length and size are those that it is tested with.
      timeline: whether the video's course over time is asked for.

    Raises:
      ValueError: a video that cannot be read, or whose frames are too oblong; the message is the reason.
    """
    height, width = video.info.height, video.info.width
    if max(height, width) > OBLONG * min(height, width):
        raise ValueError(f"its frames are {width}x{height}: one edge is more than {OBLONG} times the other")
    clip = network.clip
    shown = moments(video, clip.frame_rate)
    points = min(POINTS, math.ceil(2 * len(shown) / (clip.frames * clip.stride))) if timeline else 0
    views = read_views(video, clip)
    along = read_views(video, replace(clip, crops=1, views=points)) if points else views[:0]

    def middles(count):
        clips = eval_clips(len(shown), views=count, frames=clip.frames, stride=clip.stride)
        return video.packet_index.seconds[shown[clips]].mean(1)

    return Question(
        views=views,
        along=along,
        view_seconds=np.tile(middles(clip.views), clip.crops),
        along_seconds=middles(points) if points else np.zeros(0),
        frames=video.info.num_frames,
        seconds=float(video.packet_index.seconds[-1]),
    )


def respond(
    network: TrainedNetwork, question: Question, logits: Float[np.ndarray, "clip class"], top: int
) -> dict[str, Any]:
    """The response as JSON can carry it: the video's likeliest classes and, where asked for, their course over time.

    Args:
      logits: of the question's views, followed by those of its clips along the video.
      top: how many classes are given.
    """
    views = len(question.views)
    found = probabilities(logits[None, :views], network)[0]
    response = {
        "frames": question.frames,
        "seconds": round(question.seconds, 3),
        "top": [{"class": name, "probability": round(p, 6)} for name, p in best(found, network.class_names, top)],
    }
    if len(question.along):
        course = probabilities(logits[views:, None], network)
        shown = np.argsort(-course.max(0), kind="stable")[:top]
        response["timeline"] = {
            "seconds": question.along_seconds.round(3).tolist(),
            "classes": [
                {"class": network.class_names[i], "probabilities": [round(float(p), 6) for p in course[:, i]]}
                for i in shown
            ],
        }
    return response


def strip(question: Question, maps: Float[np.ndarray, "view time2 height2 width2"], class_name: str) -> dict[str, Any]:
    """Pictures as JSON can carry them: the middle frames of at most PICTURES views, under what speaks for a class.

    Args:
      maps: of each view, for the class.
      class_name: the class, which is given back with the pictures.
    """
    frames = middle_frames(question.views, maps)[:PICTURES]
    pictures = [
        {"seconds": round(float(seconds), 3), "image": as_url(frame)}
        for seconds, frame in zip(question.view_seconds, frames)
    ]
    return {"class": class_name, "frames": pictures}
