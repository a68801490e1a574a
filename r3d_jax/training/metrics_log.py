"""The measurements of a run: JSON lines, TensorBoard events, and the learning curves as a picture."""

import json
import math
import time
from pathlib import Path
from typing import Any

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.summary import scalar

from r3d_jax.errors import InputError
from r3d_jax.files import whole, write_text

FILE = "metrics.jsonl"
PAUSE = 10  # seconds at least from one drawing of the curves to the next, which takes a quarter of a second


class MetricsLog:
    """Appends rows of `step`, `kind` ("train" or "eval") and numbers to a run's JSON lines and TensorBoard events.

    It is a context, at whose end the curves show all tests.
    """

    def __init__(self, workdir: Path, step: int):
        """Continues at `step`: rows of later steps, which a stopped run had written ahead, are taken back.

        Raises:
          InputError: there is a line that is no row.
        """
        self._path = workdir / FILE
        kept = [row for row in read(workdir) if row["step"] <= step]
        write_text(self._path, "".join(json.dumps(row) + "\n" for row in kept))
        (workdir / "tensorboard").mkdir(exist_ok=True)
        # Written here and now: the thread of `SummaryWriter` would end on a full disk, and the run wait for it forever.
        self._events = EventsWriter(str(workdir / "tensorboard" / "events"))
        self._event(step + 1, session_log=SessionLog(status=SessionLog.START))  # later events are taken back
        self._drawn, self._undrawn = time.monotonic(), any(row["kind"] == "eval" for row in kept)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._events.close()
        if self._undrawn:
            draw_curves(self._path.parent)

    def add(self, step: int, kind: str, **numbers: int | float) -> None:
        """Appends one row to the JSON lines and to the events: finite numbers by their names, measured at `step`.

        Those of a test are drawn too, unless the curves have been drawn a moment ago.
        """
        row = json.dumps({"step": step, "kind": kind, **numbers}, allow_nan=False)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(row + "\n")
        for name, value in numbers.items():
            self._event(step, summary=scalar(f"{kind}/{name}", value))
        self._events.flush()
        self._undrawn |= kind == "eval"
        if self._undrawn and time.monotonic() - self._drawn >= PAUSE:
            draw_curves(self._path.parent)
            self._drawn, self._undrawn = time.monotonic(), False

    def _event(self, step, **what):
        self._events.write_event(Event(wall_time=time.time(), step=step, **what))


def read(workdir: Path) -> list[dict[str, Any]]:
    """The rows of a run's JSON lines so far; a last line that was cut short is left out.

    Raises:
      InputError: another line is no row.
    """
    path = workdir / FILE
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except ValueError:  # no JSON, or no UTF-8
            row = None
        if not _is_row(row):
            if number == len(lines):
                break
            text = line[:60].decode(errors="replace")
            raise InputError(f"line {number} of {path} is no row of a run ({text!r}); remove it to go on")
        rows.append(row)
    return rows


def _is_row(row):
    if not isinstance(row, dict) or type(row.get("step")) is not int or row.get("kind") not in ("train", "eval"):
        return False
    numbers = [value for name, value in row.items() if name != "kind"]
    return all(type(value) in (int, float) and math.isfinite(value) for value in numbers)


def draw_curves(workdir: Path) -> None:
    """`curves.png`: loss and accuracy over the epochs, in training and in testing."""
    from matplotlib.figure import Figure  # half a second, which only a drawn picture should cost

    rows = read(workdir)
    train, test = ([row for row in rows if row["kind"] == kind] for kind in ("train", "eval"))
    figure = Figure(figsize=(10, 4))
    loss, accuracy = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.07, right=0.98, top=0.97, bottom=0.13, wspace=0.18)  # a search costs more
    _curve(loss, train, "loss", "training clips")
    _curve(loss, test, "loss", "test videos", marker="o")
    _curve(accuracy, train, "accuracy", "training clips, top-1")
    for name, label in (
        ("clip_top1", "test clips, top-1"),
        ("video_top1", "test videos, top-1"),
        ("map", "test videos, mAP"),
    ):
        _curve(accuracy, test, name, label, marker="o")
    loss.set(xlabel="epoch", ylabel="cross-entropy", ylim=(0, None))
    accuracy.set(xlabel="epoch", ylabel="accuracy", ylim=(0, 1))
    for axes in (loss, accuracy):
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend()
    with whole(workdir / "curves.png") as unfinished:
        figure.savefig(unfinished, format="png", dpi=120)


def _curve(axes, rows, name, label, **style):
    rows = [row for row in rows if {"epoch", name} <= row.keys()]
    if rows:
        axes.plot([row["epoch"] for row in rows], [row[name] for row in rows], label=label, markersize=3, **style)
