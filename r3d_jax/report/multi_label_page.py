"""The report's parts for videos that may be of several classes: lines, tiles, the table of classes, predictions."""

from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from typing import Any

import numpy as np

from r3d_jax.class_names import joined
from r3d_jax.config import Config
from r3d_jax.csv_rows import csv_row
from r3d_jax.data.builder import VideoSet
from r3d_jax.inference.forward import make_maps, video_logits
from r3d_jax.inference.predict import THRESHOLD
from r3d_jax.report import charts, sections
from r3d_jax.report.collect import TOP, Tested
from r3d_jax.report.multi_label import LabelResult, by_label, losses_of, surest, worst
from r3d_jax.report.page import interval, paragraphs, percent, sorted_by_click, tile, video_strip
from r3d_jax.report.pictures import draw_views
from r3d_jax.report.statistics import by_views
from r3d_jax.training.average_precision import mean_average_precision
from r3d_jax.weights.trained import TrainedNetwork

AT = f"{THRESHOLD:.0%}"


def lines(numbers: dict[str, Any], videos: int, missing: int, untested: Sequence[str] = ()) -> list[str]:
    """The numbers of a test as lines for a terminal.

    Args:
      numbers: of `numbers_of`.
      videos, missing: how many were tested, and how many could not be read.
      untested: the classes of which no video was tested.
    """
    found = [
        f"video-level mAP {numbers['map']:.2%} of {videos:,} videos, over {numbers['classes']:,} classes",
        f"at a probability of {AT}: precision {numbers['precision']:.2%}, recall {numbers['recall']:.2%}, "
        f"F1 {numbers['f1']:.2%}, of all videos and classes together",
        f"loss {numbers['loss']:.4f}, expected calibration error {numbers['calibration_error']:.2%}",
    ]
    return found + sections.shortfalls(missing, untested)


def slots(
    config: Config, network: TrainedNetwork, videos: VideoSet, tested: Tested, numbers: dict, shown: tuple
) -> dict:
    """{slot: HTML} of what the page tells of several labels, for `page.fill`.

    Args:
      numbers: of `numbers_of`.
      shown: how many of the worst videos, and how many maps, are drawn.
    """
    count, clips = tested.of_clips.shape[:2]
    grid = tested.of_clips.reshape(count, config.clip.crops, config.clip.views, -1)
    average = partial(video_logits, network=network)
    course = by_views(grid, tested.labels, average, mean_average_precision)
    draw = partial(draw_views, clip=config.clip, videos=videos)
    error = percent(numbers["calibration_error"], 2)
    return {
        "tiles": tiles(numbers, count),
        "classes": label_table(by_label(tested, network.class_names)),
        "calibration": charts.calibration_image(numbers["bins"], "a class", "is of the class"),
        "calibration_text": f"Expected calibration error {error}: how far apart probability and share are, on average "
        "over all videos and classes. Numbers are of pairs of video and class.",
        "views": charts.views_image(course, None, "video-level mAP"),
        "views_text": sections.course_of_views(course),
        "mistakes": _mistakes(tested, videos, worst(tested, shown[0]), draw),
        "maps": _maps(tested, videos, surest(tested, shown[1]), draw, make_maps(network)),
        "method": method(network, clips, numbers["classes"]),
    }


def tiles(numbers: dict[str, Any], videos: int) -> str:
    """The numbers of a test as HTML tiles, to be seen at a glance; `numbers` are of `numbers_of`."""
    below = f"at {percent(THRESHOLD, 0)}, all classes together"
    return "".join(
        [
            tile(
                "video-level mAP", percent(numbers["map"], 2), f"{numbers['classes']:,} classes<br>of {videos:,} videos"
            ),
            *(tile(name, percent(numbers[name], 2), below) for name in ("precision", "recall")),
            tile("F1", percent(numbers["f1"], 2), below),
            tile("loss", f"{numbers['loss']:.4f}", "binary cross-entropy of the videos"),
            tile("calibration error", percent(numbers["calibration_error"], 2), "expected, of all probabilities"),
        ]
    )


def label_table(rows: list[LabelResult]) -> str:
    """An HTML table with a row for each class, whose cells carry the values that the page's script sorts them by."""
    titles = [("class", "text"), ("videos", ""), ("average precision", ""), ("found", ""), ("recall", "")]
    titles += [("interval", ""), ("predicted", ""), ("precision", ""), ("best threshold", ""), ("F1 at it", "")]
    cells = [
        [
            (row.name, escape(row.name), "text"),
            (row.videos, f"{row.videos:,}", ""),
            (row.average_precision, percent(row.average_precision), ""),
            (row.found, f"{row.found:,}", ""),
            (row.recall.value, percent(row.recall.value), ""),
            (row.recall.low, interval(row.recall), ""),
            (row.predicted, f"{row.predicted:,}", ""),
            (row.precision, percent(row.precision), ""),
            (row.best_threshold, percent(row.best_threshold), ""),
            (row.best_f1, percent(row.best_f1), ""),
        ]
        for row in rows
    ]
    return sorted_by_click(titles, cells)


def method(network: TrainedNetwork, clips: int, tested: int) -> str:
    """HTML that explains how the numbers of the page were counted.

    Args:
      clips: how many there are of each video.
      tested: how many classes have a test video.
    """
    average = network.model.heads[0].average.removeprefix("clip_")
    return paragraphs(
        [
            f"Video level: the {average} of a video's {clips} clips are averaged, and the video is counted once.",
            "mAP is the mean of the classes' average precisions; a class's is the sum over the videos' probabilities, "
            "from the largest on, of the precision so far times the rise of the recall; equal ones are taken together. "
            f"{tested} of {len(network.class_names)} classes have test videos, and count.",
            "Recall: of a class's videos, how many are found. Precision: of the videos taken for a class, how many are "
            "of it. F1 is their harmonic mean. Intervals are Wilson's, for 95 %; videos that were cut from one "
            "recording are alike, which no interval here takes into account.",
        ]
    )


def predictions_csv(tested: Tested, class_names: tuple[str, ...], names: np.ndarray, label_of: np.ndarray) -> str:
    """Every prediction as CSV text: a line for each test video, under a line of titles.

    A line holds the video's name, its labels and the classes that reach THRESHOLD, each in one cell, its loss, and the
    TOP likeliest classes with their probabilities. Videos that could not be read come last, with the reason.

    Args:
      names: of all videos in the data set's index.
      label_of: labels [video, class] of all videos in the data set's index.
    """
    count = min(TOP, len(class_names))
    titles = [f"{what}{i + 1}" for i in range(count) for what in ("class", "probability")]
    rows = [["video", "labels", "predicted", "loss", *titles, "missing"]]
    best, losses = np.argsort(-tested.logits, axis=1, kind="stable")[:, :count], losses_of(tested)
    cell = lambda which: joined((class_names[i] for i in np.flatnonzero(which)), class_names)  # noqa: E731
    for i, row in enumerate(tested.rows):
        its = tested.probabilities[i]
        cells = [each for j in best[i] for each in (class_names[j], f"{its[j]:.6f}")]
        rows.append([str(names[row]), cell(tested.labels[i]), cell(its >= THRESHOLD), f"{losses[i]:.6f}", *cells, ""])
    for row, why in sorted(tested.missing.items()):
        rows.append([str(names[row]), cell(label_of[row]), *[""] * (2 + 2 * count), why])
    return "".join(f"{csv_row(cells)}\n" for cells in rows)


def told_of(labels: np.ndarray, probabilities: np.ndarray, class_names: Sequence[str]) -> str:
    """HTML that says which of its classes a video is taken to be of, which not, and for which else it is taken."""

    def named(which, kind_of):
        return ", ".join(
            f'<span class="{kind_of(i)}-text">{escape(class_names[i])}</span> {percent(float(probabilities[i]))}'
            for i in np.flatnonzero(which)
        )

    taken = probabilities >= THRESHOLD
    its = named(labels > 0, lambda i: "right" if taken[i] else "wrong") or "none of the classes"
    others = named(taken & (labels == 0), lambda i: "wrong")
    return f"is {its}" + (f"; taken for {others}" if others else "")


def _mistakes(tested: Tested, videos: VideoSet, chosen: list[int], draw: Callable) -> str:
    losses, found = losses_of(tested), []
    for i in chosen:
        if images := draw(int(tested.rows[i])):
            told = told_of(tested.labels[i], tested.probabilities[i], videos.class_names)
            name = str(videos.index["name"][tested.rows[i]])
            found.append(video_strip(name, f"{told} (loss {losses[i]:.3f})", images))
    return "".join(found) or "<p>None could be drawn.</p>"


def _maps(tested: Tested, videos: VideoSet, chosen: list[tuple[int, int]], draw: Callable, maps: Callable) -> str:
    found = []
    for i, label in chosen:
        if images := draw(int(tested.rows[i]), label=label, maps=maps):
            told = f"{escape(videos.class_names[label])} {percent(float(tested.probabilities[i, label]))}"
            found.append(video_strip(str(videos.index["name"][tested.rows[i]]), told, images))
    return "".join(found) or "<p>None could be drawn.</p>"
