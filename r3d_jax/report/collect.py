"""A network's logits on every test video, and the table of its predictions."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from r3d_jax.csv_rows import csv_row
from r3d_jax.data.batches import Batches, read_ahead
from r3d_jax.data.reading import reason_of_row
from r3d_jax.errors import InputError
from r3d_jax.inference.forward import activated, make_forward, video_logits
from r3d_jax.report.statistics import rank_of
from r3d_jax.training.logs import Progress
from r3d_jax.weights.trained import TrainedNetwork

TOP = 5


class Tested(NamedTuple):
    """What a network says of the test videos, in the order of the data set's index.

    Attributes:
      rows: places of the videos in the data set's index.
      labels: their classes; of several labels 0 or 1 for each class.
      of_clips: logits of every clip.
      logits: of the videos; ranks are taken of these, for probabilities can be equal.
      probabilities: of the videos.
      missing: {place: reason} of the videos that could not be read.
    """

    rows: Int[np.ndarray, "video"]
    labels: Int[np.ndarray, "video"] | UInt8[np.ndarray, "video class"]
    of_clips: Float[np.ndarray, "video clip class"]
    logits: Float[np.ndarray, "video class"]
    probabilities: Float[np.ndarray, "video class"]
    missing: dict[int, str]

    @property
    def predicted(self) -> Int[np.ndarray, "video"]:
        """Each video's likeliest class."""
        return self.logits.argmax(1)

    @property
    def confidence(self) -> Float[np.ndarray, "video"]:
        """The probability of each video's likeliest class."""
        return self.probabilities.max(1)


def collect(network: TrainedNetwork, batches: Batches, *, workers: int, **static) -> Tested:
    """A network's logits on every video of `batches`, under a progress bar.

    Args:
      batches: test batches, as `eval_batches` gives them.
      workers: threads that read.
      static: further arguments of `predict_views`, such as `views_at_once` and `dtype`.

    Raises:
      InputError: no video can be read.
    """
    forward = make_forward(network, **static)
    of_clips, labels, rows, missing = [], [], [], {}
    with Progress(len(batches), unit="batch", label="Testing") as progress:
        for batch in read_ahead(batches, workers=workers):
            missing |= {
                row: why for row, why in zip(batch["row"].tolist(), map(reason_of_row, batch["missing"])) if why
            }
            valid = batch["valid"]
            if valid.any():
                of_clips.append(forward(batch["clips"])[valid])
                labels.append(batch["label"][valid])
                rows.append(batch["row"][valid])
            progress.advance()
    if not rows:
        raise InputError("no test video can be read; prepare the data set again from a sound copy")
    order = np.argsort(np.concatenate(rows))
    rows, labels, of_clips = (np.concatenate(parts)[order] for parts in (rows, labels, of_clips))
    logits = video_logits(of_clips, network)
    return Tested(rows, labels, of_clips, logits, activated(logits, network), missing)


def predictions_csv(
    tested: Tested, class_names: tuple[str, ...], names: np.ndarray, label_of: Int[np.ndarray, "every_video"]
) -> str:
    """Every prediction as CSV text: a line for each test video, under a line of titles.

    A line holds the video's name and label, the label's rank (from 1) and probability, and the TOP likeliest classes
    with theirs. Videos that could not be read come last, with the reason.

    Args:
      names: of all videos in the data set's index.
      label_of: classes of all videos in the data set's index.
    """
    count = min(TOP, len(class_names))
    titles = [f"{what}{i + 1}" for i in range(count) for what in ("class", "probability")]
    rows = [["video", "label", "rank_of_label", "probability_of_label", *titles, "missing"]]
    ranks = rank_of(tested.logits, tested.labels)
    best = np.argsort(-tested.logits, axis=1, kind="stable")[:, :count]
    for i, row in enumerate(tested.rows):
        label, its = tested.labels[i], tested.probabilities[i]
        cells = [cell for j in best[i] for cell in (class_names[j], f"{its[j]:.6f}")]
        rows.append([str(names[row]), class_names[label], ranks[i], f"{its[label]:.6f}", *cells, ""])
    for row, why in sorted(tested.missing.items()):
        rows.append([str(names[row]), class_names[label_of[row]], *[""] * (2 + 2 * count), why])
    return "".join(f"{csv_row(cells)}\n" for cells in rows)
