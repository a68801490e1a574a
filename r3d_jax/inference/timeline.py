"""A network slid over videos of any length: probabilities of every stretch, in the memory of a few clips."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float

from r3d_jax.inference.forward import probabilities
from r3d_jax.inference.predict import Prediction
from r3d_jax.video.stream import stream, stretches
from r3d_jax.weights.trained import TrainedNetwork

POINTS = 1000  # of a curve, at most twice as many: more than a picture shows
CURVES = 8


def timeline(
    network: TrainedNetwork, forward: Callable, path: Path, *, hop: int = 0, batch_size: int = 8
) -> Iterator[Prediction]:
    """A prediction for each stretch of one video, and a last one with the reason where it cannot be read on.

    A stretch is what one clip spans. The last one ends with the video; a video that is shorter than a clip loops.

    Args:
      forward: a function of `make_forward(network)`, which videos can share.
      path: the video's file, of any length: memory is that of a few clips.
      hop: frames from one stretch's start to the next one's; 0: half of what a clip spans.
      batch_size: clips that run through the network together.
    """
    name, clip = str(path), network.clip
    hop = hop or max(1, clip.frames * clip.stride // 2)
    given = 0.0
    try:
        with path.open("rb") as file:
            moments = stream(file, size=clip.test_size, frame_rate=clip.frame_rate)
            clips = stretches(moments, frames=clip.frames, stride=clip.stride, hop=hop)
            while chunk := _until_it_fails(clips, batch_size):
                some, reason = chunk
                if some:
                    logits = forward(np.stack([each.clip for each in some])[:, None])
                    for each, found in zip(some, probabilities(logits, network)):
                        given = round(each.end, 3)
                        yield Prediction(name, {"start": round(each.start, 3), "end": given}, found)
                if reason:
                    yield _failed(name, reason, given)
                    return
    except OSError as error:
        yield _failed(name, error.strerror or str(error), given)


def _until_it_fails(clips, count):
    """Up to `count` clips and why there are no more (empty: none is known); None at the end."""
    some = []
    try:
        for each in islice(clips, count):
            some.append(each)
    except ValueError as error:
        return some, str(error)
    return (some, "") if some else None


def _failed(name, reason, at=0.0):
    return Prediction(name, {"start": at, "end": at}, None, reason)


class Curve:
    """Probabilities over time at a bounded number of points: where there are too many, neighbours are averaged."""

    def __init__(self):
        self._seconds: list[float] = []
        self._probabilities: list[Float[np.ndarray, "class"]] = []
        self._each, self._pending = 1, []

    def add(self, prediction: Prediction) -> None:
        """Adds the probabilities of the next stretch, at the stretch's middle."""
        middle = (prediction.where["start"] + prediction.where["end"]) / 2
        self._pending.append((middle, prediction.probabilities))
        if len(self._pending) == self._each:
            self._settle()
        if len(self._seconds) == 2 * POINTS:
            self._seconds = [sum(pair) / 2 for pair in zip(self._seconds[::2], self._seconds[1::2])]
            neighbours = zip(self._probabilities[::2], self._probabilities[1::2])
            self._probabilities = [(a + b) / 2 for a, b in neighbours]
            self._each *= 2

    def _settle(self):
        seconds, several = zip(*self._pending)
        self._seconds.append(float(np.mean(seconds)))
        self._probabilities.append(np.mean(several, 0))
        self._pending = []

    def __len__(self):
        return len(self._seconds) + bool(self._pending)

    def points(self) -> tuple[Float[np.ndarray, "point"], Float[np.ndarray, "point class"]]:
        """The curve so far: times in seconds, and the probabilities of all classes at them."""
        if self._pending:
            self._settle()
        return np.array(self._seconds), np.array(self._probabilities)


def draw(curve: Curve, class_names: tuple[str, ...], title: str, path: Path) -> None:
    """Draws the probabilities of the CURVES likeliest classes over time into a PNG file that is not there yet.

    Args:
      curve: at least one point.
      path: the file; folders above it are made.

    Raises:
      FileExistsError: there is something at `path` already.
    """
    from matplotlib.figure import Figure  # half a second, which only a drawn picture should cost

    seconds, found = curve.points()
    figure = Figure(figsize=(10, 3.5), layout="constrained")
    axes = figure.subplots()
    shown = np.argsort(-found.mean(0), kind="stable")[:CURVES]
    marker = "o" if len(seconds) < 60 else ""
    for label in shown:
        axes.plot(seconds, found[:, label], label=class_names[label], marker=marker, markersize=3)
    axes.set(xlabel="seconds", ylabel="probability", ylim=(0, 1.02), title=title)
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        figure.savefig(file, format="png", dpi=120)


def free_path(folder: Path, stem: str, suffix: str) -> Path:
    """`folder/stem` with the `suffix` or, where that exists, `stem-2`, `stem-3`, ...: the first that does not."""
    path, number = folder / f"{stem}{suffix}", 2
    while path.exists():
        path, number = folder / f"{stem}-{number}{suffix}", number + 1
    return path
