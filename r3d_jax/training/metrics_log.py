"""The measurements of a run: JSON lines, TensorBoard events, and the learning curves as a picture."""

import json
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter

from r3d_jax.files import whole, write_text

FILE = "metrics.jsonl"


class MetricsLog:
    """Appends rows of `step`, `kind` ("train" or "eval") and numbers to a run's JSON lines and TensorBoard events."""

    def __init__(self, workdir: Path, step: int):
        """Continues at `step`: rows of later steps, which a stopped run had written ahead, are taken back."""
        self._path = workdir / FILE
        kept = [row for row in read(workdir) if row["step"] <= step]
        write_text(self._path, "".join(json.dumps(row) + "\n" for row in kept))
        self._events = SummaryWriter(str(workdir / "tensorboard"), purge_step=step + 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._events.close()

    def add(self, step: int, kind: str, **numbers: Any) -> None:
        """Appends one row to the JSON lines and to the events: numbers by their names, measured at `step`."""
        with self._path.open("a") as file:
            file.write(json.dumps({"step": step, "kind": kind, **numbers}) + "\n")
        for name, value in numbers.items():
            self._events.add_scalar(f"{kind}/{name}", value, step)
        self._events.flush()


def read(workdir: Path) -> list[dict[str, Any]]:
    """The rows of a run's JSON lines so far; a last line that was cut short is left out."""
    path = workdir / FILE
    rows = []
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def draw_curves(workdir: Path) -> None:
    """`curves.png`: loss and accuracy over the epochs, in training and in testing."""
    from matplotlib.figure import Figure  # half a second, which only a drawn picture should cost

    rows = read(workdir)
    train, test = ([row for row in rows if row["kind"] == kind] for kind in ("train", "eval"))
    figure = Figure(figsize=(10, 4), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    _curve(loss, train, "loss", "training clips")
    _curve(loss, test, "loss", "test videos", marker="o")
    _curve(accuracy, train, "accuracy", "training clips, top-1")
    for name, label in (("clip_top1", "test clips, top-1"), ("video_top1", "test videos, top-1")):
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
    if rows:
        axes.plot([row["epoch"] for row in rows], [row[name] for row in rows], label=label, markersize=3, **style)
