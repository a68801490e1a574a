"""What is printed of predictions: a table to read, JSON lines, or CSV."""

import csv
import io
import json
from collections.abc import Iterable, Iterator

from r3d_jax.inference.predict import Prediction, best

TOP = 5


def lines(
    rows: Iterable[Prediction],
    kind: str,
    class_names: tuple[str, ...],
    *,
    top: int,
    videos: list[str],
    columns: int = 0,
) -> Iterator[str]:
    """One line for each row, under a line of titles where the `kind` has one.

    Args:
      kind: table, json or csv.
      top: classes of each row; 0: TOP, in a table no more than fit.
      videos: every name that will come, for the width of a table's first column.
      columns: of the terminal; 0: any number.
    """
    count = min(top or TOP, len(class_names))
    if kind == "json":
        yield from (json.dumps(_as_dict(row, class_names, count), ensure_ascii=False) for row in rows)
    elif kind == "csv":
        yield from _as_csv(rows, class_names, count)
    else:
        yield from _as_table(rows, class_names, count, top, videos, columns)


def _as_dict(row, class_names, count):
    if row.probabilities is None:
        return {"video": row.video, **row.where, "error": row.reason}
    pairs = best(row.probabilities, class_names, count)
    return {"video": row.video, **row.where, "top": [{"class": name, "probability": round(p, 6)} for name, p in pairs]}


def _as_csv(rows, class_names, count):
    titled = False
    for row in rows:
        found = [] if row.probabilities is None else best(row.probabilities, class_names, count)
        cells = [cell for name, p in found for cell in (name, f"{p:.6f}")] or [""] * (2 * count)
        if not titled:
            titles = [f"{what}{i + 1}" for i in range(count) for what in ("class", "probability")]
            yield _csv_line(["video", *row.where, *titles, "error"])
            titled = True
        yield _csv_line([row.video, *row.where.values(), *cells, row.reason])


def _as_table(rows, class_names, count, top, videos, columns):
    first, cell = max(map(len, videos)), max(map(len, class_names)) + 7
    titled = False
    for row in rows:
        where = _where(row)
        if not titled:
            if columns and not top:
                count = max(1, min(count, (columns - first - len(where)) // (cell + 2)))
            titles = "".join(f"  {i + 1:<{cell}}" for i in range(count))
            yield f"{'video':{first}}{' ' * len(where)}{titles}".rstrip()
            titled = True
        if row.probabilities is None:
            yield f"{row.video:{first}}{where}  {row.reason}"
            continue
        found = best(row.probabilities, class_names, count)
        cells = "".join(f"  {p:6.1%} {name:{cell - 7}}" for name, p in found)
        yield f"{row.video:{first}}{where}{cells}".rstrip()


def _where(row):
    """Of a stretch, when; how many frames a whole video has does not help to read a table."""
    if "start" not in row.where:
        return ""
    return f"  {row.where['start']:8.2f} to {row.where['end']:8.2f} s"


def _csv_line(cells):
    file = io.StringIO()
    csv.writer(file, lineterminator="").writerow(cells)
    return file.getvalue()
