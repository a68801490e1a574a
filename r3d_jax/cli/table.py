"""What is printed of predictions: a table to read, JSON lines, or CSV."""

import json
from collections.abc import Iterable, Iterator

from r3d_jax.class_names import joined
from r3d_jax.csv_rows import csv_row
from r3d_jax.inference.predict import Prediction, best, row_of

TOP = 5


def lines(
    predictions: Iterable[Prediction],
    kind: str,
    class_names: tuple[str, ...],
    *,
    top: int,
    threshold: float = 0.0,
    videos: list[str],
    columns: int = 0,
) -> Iterator[str]:
    """A line for each prediction, under a line of titles where the `kind` has one.

    Args:
      kind: "table", "json" or "csv".
      class_names: of the network that predicts.
      top: classes of each prediction; 0: TOP, in a table no more than fit; with a `threshold` all that reach it.
      threshold: the least probability that is given; 0: any. CSV then has them in one cell, and so their probabilities.
      videos: every name that will come, for the width of a table's first column.
      columns: how many characters the terminal is wide; 0: any number.
    """
    count = count_of(top, threshold, class_names)
    if kind == "json":
        found = (row_of(each, class_names, count, threshold) for each in predictions)
        yield from (json.dumps(each, ensure_ascii=False, allow_nan=False) for each in found)
    elif threshold:
        form = _as_thresholded_csv if kind == "csv" else _as_thresholded_table
        yield from form(predictions, class_names, count, threshold, videos)
    elif kind == "csv":
        yield from _as_csv(predictions, class_names, count)
    else:
        yield from _as_table(predictions, class_names, count, top, videos, columns)


def count_of(top: int, threshold: float, class_names: tuple[str, ...]) -> int:
    """How many classes of a prediction are given at most: `top`, or with a `threshold` all, or TOP."""
    return min(top or (len(class_names) if threshold else TOP), len(class_names))


def _as_csv(predictions, class_names, count):
    titled = False
    for each in predictions:
        found = [] if each.probabilities is None else best(each.probabilities, class_names, count)
        cells = [cell for name, p in found for cell in (name, f"{p:.6f}")] or [""] * (2 * count)
        if not titled:
            titles = [f"{what}{i + 1}" for i in range(count) for what in ("class", "probability")]
            yield csv_row(["video", *each.where, *titles, "error"])
            titled = True
        yield csv_row([each.video, *each.where.values(), *cells, each.reason])


def _as_table(predictions, class_names, count, top, videos, columns):
    first, cell = max(map(len, videos)), max(map(len, class_names)) + 7
    titled = False
    for each in predictions:
        where = _where(each)
        if not titled:
            if columns and not top:
                count = max(1, min(count, (columns - first - len(where)) // (cell + 2)))
            titles = "".join(f"  {i + 1:<{cell}}" for i in range(count))
            yield f"{'video':{first}}{' ' * len(where)}{titles}".rstrip()
            titled = True
        if each.probabilities is None:
            yield f"{each.video:{first}}{where}  {each.reason}"
            continue
        found = best(each.probabilities, class_names, count)
        cells = "".join(f"  {p:6.1%} {name:{cell - 7}}" for name, p in found)
        yield f"{each.video:{first}}{where}{cells}".rstrip()


def _as_thresholded_csv(predictions, class_names, count, threshold, videos):
    titled = False
    for each in predictions:
        if not titled:
            yield csv_row(["video", *each.where, "classes", "probabilities", "error"])
            titled = True
        found = [] if each.probabilities is None else best(each.probabilities, class_names, count, threshold)
        names = joined((name for name, _ in found), class_names)
        yield csv_row([each.video, *each.where.values(), names, ";".join(f"{p:.6f}" for _, p in found), each.reason])


def _as_thresholded_table(predictions, class_names, count, threshold, videos):
    first, titled = max(map(len, videos)), False
    for each in predictions:
        where = _where(each)
        if not titled:
            yield f"{'video':{first}}{' ' * len(where)}  classes of {threshold:.0%} or more"
            titled = True
        told = each.reason
        if each.probabilities is not None:
            found = best(each.probabilities, class_names, count, threshold)
            told = "   ".join(f"{p:.1%} {name}" for name, p in found) or _none(each, class_names)
        yield f"{each.video:{first}}{where}  {told}"


def _none(prediction, class_names):
    ((name, p),) = best(prediction.probabilities, class_names, 1)
    return f"none (likeliest: {p:.1%} {name})"


def _where(prediction):
    """Of a stretch, when; how many frames a whole video has does not help to read a table."""
    if "start" not in prediction.where:
        return ""
    return f"  {prediction.where['start']:8.2f} to {prediction.where['end']:8.2f} s"
