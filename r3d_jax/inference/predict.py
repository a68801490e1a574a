"""Classes of the videos in files, batched across videos of one frame size, given back in the order of the files."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from r3d_jax.inference.by_size import by_size
from r3d_jax.inference.forward import make_forward, probabilities
from r3d_jax.settings import check_least
from r3d_jax.weights.trained import TrainedNetwork

THRESHOLD = 0.5  # the least probability of the classes that are given, where videos have several labels


class Prediction(NamedTuple):
    """What a network says of a video or of a stretch of it: probabilities, or why there are none.

    Attributes:
      video: name of the file, as it was given.
      where: of a whole video {"frames": how many it has}, of a stretch {"start": s, "end": s} in seconds.
      probabilities: one for each of the network's classes, in their order; None where the video cannot be read.
      reason: why the video cannot be read; empty where it can.
    """

    video: str
    where: dict[str, int | float]
    probabilities: Float[np.ndarray, "class"] | None = None
    reason: str = ""


def predict(
    network: TrainedNetwork,
    videos: Sequence[str | Path],
    *,
    views: int = 0,
    batch_size: int = 4,
    workers: int = 2,
    dtype: str = "float32",
) -> Iterator[Prediction]:
    """A prediction for each video file, in their order, from the clips that it would be tested on.

    Files may be of any frame size and length. One that cannot be read gets a prediction without probabilities.

    Args:
      network: a trained network, as `load` gives it.
      videos: paths of the files; `~` is the user's home.
      views: clips of a video, evenly spaced; 0: as many as the network is tested with.
      batch_size: videos that run through the network together, where their frames are of one size.
      workers: threads that read, each with the clips of four videos ready; 0: one for each core.
      dtype: of the activations, such as "bfloat16"; `choose_dtype` chooses it.

    Raises:
      InputError: `batch_size` is below 1, or `views` or `workers` below 0.
    """
    return make_predict(network, views=views, batch_size=batch_size, workers=workers, dtype=dtype)(videos)


def make_predict(
    network: TrainedNetwork, *, views: int = 0, batch_size: int = 4, workers: int = 2, dtype: str = "float32"
) -> Callable[[Sequence[str | Path]], Iterator[Prediction]]:
    """A function of video files that gives what `predict` does, and compiles once for all its calls.

    Args:
      network: a trained network, as `load` gives it.
      views, batch_size, workers, dtype: as `predict` takes them.

    Raises:
      InputError: `batch_size` is below 1, or `views` or `workers` below 0.
    """
    check_least(batch_size=(batch_size, 1), views=(views, 0), workers=(workers, 0))
    forward, clip = make_forward(network, dtype=dtype), replace(network.clip, views=views or network.clip.views)

    def run(clips):
        return probabilities(forward(clips), network)

    def predict_them(videos):
        for each in by_size(videos, clip, run, batch_size=batch_size, workers=workers, label="Predicting"):
            yield Prediction(each.video, {"frames": each.frames}, each.found, each.reason)

    return predict_them


def predict_known(
    predict_them: Callable[[Sequence[str | Path]], Iterator[Prediction]], videos: Sequence[tuple[str, str]]
) -> Iterator[Prediction]:
    """A prediction for each of `videos`, also for those that are known to be none.

    Args:
      predict_them: as `make_predict` gives it.
      videos: of each its path, and why it cannot be one (empty: it may be).
    """
    found = predict_them([path for path, reason in videos if not reason])
    for path, reason in videos:
        yield Prediction(path, {"frames": 0}, None, reason) if reason else next(found)


def row_of(prediction: Prediction, class_names: Sequence[str], top: int, threshold: float = 0.0) -> dict[str, Any]:
    """A prediction as JSON has it: the video, what it is of, and the likeliest classes or the error.

    Args:
      class_names: of the network that predicts.
      top: classes at most.
      threshold: the least probability that is given; 0: any.
    """
    row = {"video": prediction.video, **prediction.where}
    if prediction.probabilities is None:
        return row | {"error": prediction.reason}
    return row | {"top": as_rows(best(prediction.probabilities, class_names, top, threshold))}


def as_rows(pairs: Sequence[tuple[str, float]]) -> list[dict[str, Any]]:
    """Classes and their probabilities, as `best` gives them, as JSON has them."""
    return [{"class": name, "probability": round(p, 6)} for name, p in pairs]


def best(
    probabilities: Float[np.ndarray, "class"], class_names: Sequence[str], top: int, threshold: float = 0.0
) -> list[tuple[str, float]]:
    """The `top` likeliest classes with their probabilities, the likeliest first; of equals, the lower class first.

    Args:
      top: at most so many.
      threshold: the least probability that is given.
    """
    order = np.argsort(-probabilities, kind="stable")[:top]
    order = order[~(probabilities[order] < threshold)]  # what is no number stays, for others to notice
    return [(class_names[i], float(probabilities[i])) for i in order]
