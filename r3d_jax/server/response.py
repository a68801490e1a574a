"""The response to one video: its classes, their course over time, and what speaks for the likeliest of them."""

from typing import Any

import numpy as np
from jaxtyping import Float

from r3d_jax.inference.forward import probabilities
from r3d_jax.inference.overlay import PICTURES, as_url, middle_frames
from r3d_jax.inference.predict import as_rows, best
from r3d_jax.server.question import Question
from r3d_jax.server.request import Refused
from r3d_jax.weights.trained import TrainedNetwork

_NOT_FINITE = "the network's outputs are not finite (NaN or infinite) for this video; its weights are not to be trusted"


def respond(
    network: TrainedNetwork,
    question: Question,
    logits: Float[np.ndarray, "clip class"],
    top: int,
    threshold: float = 0.0,
) -> dict[str, Any]:
    """The response as JSON can carry it: the video's likeliest classes and, where asked for, their course over time.

    Args:
      logits: of the question's views, followed by those of its clips along the video.
      top: how many classes are given.
      threshold: the least probability that is given; 0: any. Over time, classes are given that reach it once, or the
        likeliest where none does. The response has it too.

    Raises:
      Refused: 500: logits that are not finite, which JSON has no words for.
    """
    if not np.isfinite(logits).all():
        raise Refused(500, _NOT_FINITE)
    views = len(question.views)
    found = probabilities(logits[None, :views], network)[0]
    response = {
        "frames": question.frames,
        "seconds": round(question.seconds, 3),
        "top": as_rows(best(found, network.class_names, top, threshold)),
    }
    if threshold:
        response["threshold"] = threshold
    if len(question.along):
        course = probabilities(logits[views:, None], network)
        highest = course.max(0)
        order = np.argsort(-highest, kind="stable")[:top]
        shown = order[: max(1, int((highest[order] >= threshold).sum()))]
        response["timeline"] = {
            "seconds": question.along_seconds.round(3).tolist(),
            "classes": [
                {"class": network.class_names[i], "probabilities": [round(float(p), 6) for p in course[:, i]]}
                for i in shown
            ],
        }
    return response


def likeliest(network: TrainedNetwork, question: Question, logits: Float[np.ndarray, "clip class"]) -> int:
    """The number of the video's likeliest class, whatever its probability; `logits` as in `respond`."""
    return int(probabilities(logits[None, : len(question.views)], network)[0].argmax())


def strip(question: Question, maps: Float[np.ndarray, "view time2 height2 width2"], class_name: str) -> dict[str, Any]:
    """Pictures as JSON can carry them: the middle frames of at most PICTURES views, under what speaks for a class.

    Args:
      maps: of each view, for the class.
      class_name: the class, which is given back with the pictures.

    Raises:
      Refused: 500: maps that are not finite, which no colour stands for.
    """
    if not np.isfinite(maps).all():
        raise Refused(500, _NOT_FINITE)
    frames = middle_frames(question.views, maps)[:PICTURES]
    pictures = [
        {"seconds": round(float(seconds), 3), "image": as_url(frame)}
        for seconds, frame in zip(question.view_seconds, frames)
    ]
    return {"class": class_name, "frames": pictures}
