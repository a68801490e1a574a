"""A network's logits on every test video, and the table of its predictions."""

import csv
import io
from typing import NamedTuple

import grain
import numpy as np
from jaxtyping import Float, Int

from r3d_jax.data.pipeline import read_ahead
from r3d_jax.errors import InputError
from r3d_jax.inference.forward import make_forward
from r3d_jax.report.statistics import rank_of
from r3d_jax.training.progress import Progress
from r3d_jax.weights.saved import Loaded

TOP = 5


class Tested(NamedTuple):
    """Logits of every view of the videos in `rows` (of the data set's index), and why others are missing."""

    logits: Float[np.ndarray, "video clip class"]
    labels: Int[np.ndarray, "video"]
    rows: Int[np.ndarray, "video"]
    missing: dict[int, str]


def collect(network: Loaded, batches: grain.MapDataset, *, workers: int, **static) -> Tested:
    """Runs every batch of `pipeline.test_batches`; `static` are arguments of `predict_views`.

    Raises:
      InputError: no video can be read.
    """
    forward = make_forward(network, **static)
    logits, labels, rows, missing = [], [], [], {}
    with Progress(len(batches), unit="batch", label="Testing") as progress:
        for batch in read_ahead(batches, workers=workers):
            missing |= {row: why for row, why in zip(batch["row"].tolist(), batch["missing"].tolist()) if why}
            valid = batch["valid"]
            if valid.any():
                logits.append(forward(batch["clips"])[valid])
                labels.append(batch["label"][valid])
                rows.append(batch["row"][valid])
            progress.advance()
    if not rows:
        raise InputError("no test video can be read; prepare the data set again from a sound copy")
    order = np.argsort(np.concatenate(rows))
    logits, labels, rows = (np.concatenate(parts)[order] for parts in (logits, labels, rows))
    return Tested(logits, labels, rows, missing)


def predictions_csv(
    tested: Tested,
    probabilities: Float[np.ndarray, "video class"],
    names: np.ndarray,
    class_names: tuple[str, ...],
    label_of: Int[np.ndarray, "all_videos"],
) -> str:
    """One line a video: its label, the label's place and probability, the likeliest classes; why it is missing."""
    count = min(TOP, len(class_names))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    titles = [f"{what}{i + 1}" for i in range(count) for what in ("class", "probability")]
    writer.writerow(["video", "label", "rank_of_label", "probability_of_label", *titles, "missing"])
    ranks = rank_of(probabilities, tested.labels)
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :count]
    for i, row in enumerate(tested.rows):
        label = tested.labels[i]
        cells = [cell for j in best[i] for cell in (class_names[j], f"{probabilities[i, j]:.6f}")]
        its = f"{probabilities[i, label]:.6f}"
        writer.writerow([names[row], class_names[label], ranks[i], its, *cells, ""])
    for row, why in sorted(tested.missing.items()):
        writer.writerow([names[row], class_names[label_of[row]], *[""] * (2 + 2 * count), why])
    return file.getvalue()
