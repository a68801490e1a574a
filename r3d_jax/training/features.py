"""What the head reads of a run's clips: computed once, and kept in the run's folder."""

import json
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from r3d_jax.data.batches import Batches, read_ahead
from r3d_jax.data.reading import reason_of_row
from r3d_jax.errors import InputError
from r3d_jax.files import whole, write_text
from r3d_jax.models.classifier import Classifier
from r3d_jax.models.predict import predict_views
from r3d_jax.training.devices import pmap, replicate, split_over
from r3d_jax.training.logs import Progress, say

FACTS = "facts.json"
SECONDS = 20  # of work that a process that is killed may lose


class Features(NamedTuple):
    """Features of videos, each with as many views as the others.

    Attributes:
      features: what the linear layer of the head sees.
      labels: classes.
      rows: of the data set's index.
      reasons: why a video could not be read; empty where it could. Its features are those of what was seen in its
        place.
    """

    features: Float[np.ndarray, "video view feature"]
    labels: Int[np.ndarray, "video"]
    rows: Int[np.ndarray, "video"]
    reasons: np.ndarray

    def take(self, kept: np.ndarray) -> "Features":
        """The videos that a mask or indices choose."""
        return Features(*(values[kept] for values in self))


def collect_features(
    batches: Batches,
    variables: dict,
    folder: Path,
    facts: Any,
    *,
    model: Classifier,
    devices: list[jax.Device],
    label: str,
    total: int | None = None,
    check: Callable[[dict[str, np.ndarray]], None] = lambda batch: None,
    stop: Callable[[], bool] = lambda: False,
    workers: int = 2,
    processes: int = 0,
    views_at_once: int = 0,
    dtype: str = "float32",
) -> Features | None:
    """Features of `batches`, of training (one view each) or of testing; None where `stop` came true.

    What is computed is written into `folder` as it comes. What is there already is not computed again, unless it is of
    other `facts`.

    Args:
      variables: of `model`.
      folder: that nothing else is in.
      facts: what the features depend on, as JSON can carry it.
      label, total: of the progress bar; how many batches (None: `len(batches)`).
      check: is called with each batch that is read.
      stop: asked before each batch.
      workers, processes, views_at_once, dtype: as in `read_ahead` and `predict_fn`.

    Raises:
      InputError: what is there already cannot be read.
    """
    static = {"model": model.clone(heads=(model.heads[0].clone(num_classes=0),)), "views_at_once": views_at_once}
    total, done = len(batches) if total is None else total, _begin(folder, facts)
    steps, pending, since = {}, [], time.monotonic()
    variables = replicate(variables, devices)
    data = iter(read_ahead(batches, start=min(done, total), stop=total, workers=workers, processes=processes))
    with closing(data), Progress(total, min(done, total), unit="batch", label=label) as progress:
        for i, batch in enumerate(data, start=done):
            if stop():
                break
            check(batch)
            clips = split_over({"clips": batch["clips"] if "clips" in batch else batch["clip"][:, None]}, devices)
            if (shape := clips["clips"].shape) not in steps:
                steps[shape] = pmap(_features_step, variables, clips, devices=devices, dtype=dtype, **static)
            found, _ = steps[shape](variables, clips)
            pending.append(_part(batch, np.asarray(found)))
            progress.advance()
            if i + 1 == total or time.monotonic() - since >= SECONDS:
                _write(folder, done, pending)
                count = sum(part.features.shape[0] * part.features.shape[1] for part in pending)
                progress.show(i + 1, f"{count / (time.monotonic() - since):.1f} clips/s")
                done, pending, since = i + 1, [], time.monotonic()
    if pending:
        _write(folder, done, pending)
    return None if done + len(pending) < total else _joined([_read(path) for *_, path in _parts(folder)])


def _features_step(variables, batch, *, axis_name, model, views_at_once, dtype) -> Float[Array, "video view feature"]:
    found = predict_views(variables, batch["clips"], model=model, views_at_once=views_at_once, dtype=dtype)
    return lax.all_gather(found, axis_name, tiled=True)


def _part(batch, found):
    """What is kept of a batch: videos that only fill it up are not."""
    packed = batch["missing"] if "missing" in batch else batch["reason"]
    reasons = np.array([reason_of_row(each) for each in packed])
    part = Features(found, batch["label"], batch["row"], reasons)
    return part.take(batch["valid"] | (reasons != "")) if "valid" in batch else part


def _begin(folder, facts):
    """How many batches are done; what is there of other facts is removed."""
    facts = json.loads(json.dumps(facts))
    try:
        there = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        there = None
    if there != facts:
        if there is not None:
            say(f"{folder}: these features are of another network, other videos or settings, and are computed again")
        if folder.exists():
            shutil.rmtree(folder)
        write_text(folder / FACTS, json.dumps(facts, indent=2) + "\n")
    return max((last for _, last, _ in _parts(folder)), default=0)


def _parts(folder) -> Iterator[tuple[int, int, Path]]:
    """(first batch, one after the last, file) as far as they follow each other."""
    at = 0
    for path in sorted(folder.glob("*-*.npz")):
        first, last = map(int, path.stem.split("-"))
        if first == at:
            yield first, last, path
            at = last


def _write(folder, first, pending):
    with whole(folder / f"{first:09d}-{first + len(pending):09d}.npz") as unfinished, unfinished.open("wb") as file:
        np.savez(file, **_joined(pending)._asdict())


def _read(path):
    try:
        with path.open("rb") as opened, np.load(opened) as file:  # NumPy leaves a damaged one open
            return Features(**{name: file[name] for name in Features._fields})
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} is damaged ({error}); remove {path.parent}, and these features are computed again"
        ) from error


def _joined(parts):
    return Features(*(np.concatenate(values) for values in zip(*parts)))
