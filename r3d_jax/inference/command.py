"""`python -m r3d_jax predict`: rows on standard output as they come, all else on standard error."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from r3d_jax.errors import InputError
from r3d_jax.inference.forward import make_forward
from r3d_jax.inference.inputs import Named, named_videos
from r3d_jax.inference.predict import predict
from r3d_jax.inference.rows import Row, lines
from r3d_jax.inference.timeline import Curve, draw, free_path, timeline
from r3d_jax.weights.load import load
from r3d_jax.weights.saved import Loaded


def command(
    source: Path,
    videos: Sequence[str],
    *,
    checkpoint: str = "last",
    top: int = 0,
    kind: str = "",
    views: int = 0,
    batch: int = 4,
    workers: int = 2,
    along: bool = False,
    hop: int = 0,
    plots: Path = Path("timelines"),
) -> int:
    """Prints the classes of `videos`, or with `along` of every stretch of each; the exit status: 1 if any failed.

    Args:
      kind: table, json or csv; empty: a table on a terminal, JSON lines elsewhere.
      hop: of the stretches, in frames; see `timeline`.
      plots: folder for a picture of each timeline.

    Raises:
      InputError: something that the user can put right.
    """
    numbers = {"top": (top, 0), "views": (views, 0), "batch": (batch, 1), "workers": (workers, 1), "hop": (hop, 0)}
    if below := [
        f"--{name} (={value}) must be at least {least}" for name, (value, least) in numbers.items() if value < least
    ]:
        raise InputError("; ".join(below))
    terminal = sys.stdout.isatty()
    kind = kind or ("table" if terminal else "json")
    network, named = load(source, checkpoint), named_videos(videos)
    if along:
        rows = _timelines(network, named, hop, batch, plots)
    else:
        rows = predict(network, named, views=views, batch=batch, workers=workers)
    failed = set()
    columns = shutil.get_terminal_size().columns if terminal else 0
    names = [str(each.path) for each in named]
    for line in lines(_noted(rows, failed), kind, network.class_names, top=top, videos=names, columns=columns):
        tqdm.write(line, file=sys.stdout)
        sys.stdout.flush()
    if failed:
        print(f"{len(failed)} of {len(named)} videos failed", file=sys.stderr)
    return 1 if failed else 0


def _noted(rows, failed) -> Iterator[Row]:
    for row in rows:
        if row.probabilities is None:
            failed.add(row.video)
        yield row


def _timelines(network: Loaded, named: Sequence[Named], hop, batch, plots):
    forward = make_forward(network)
    for each in named:
        curve = Curve()
        with tqdm(desc=each.path.name, unit="s", disable=None, leave=False) as bar:  # seconds of the video
            for row in timeline(network, forward, each, hop=hop, batch=batch):
                if row.probabilities is not None:
                    curve.add(row)
                bar.update(row.where["end"] - bar.n)
                yield row
        if len(curve):
            path = free_path(plots, each.path.stem, ".png")
            draw(curve, network.class_names, each.path.name, path)
            print(f"{each.path}: drawn in {path}", file=sys.stderr)
