"""Testing on every video of a split, each counted exactly once."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from r3d_jax.data.batches import Batches, read_ahead
from r3d_jax.data.reading import reason_of_row
from r3d_jax.errors import InputError
from r3d_jax.models.classifier import Classifier
from r3d_jax.training.devices import local_count, pmap, replicate, split_over
from r3d_jax.training.logs import Progress, say
from r3d_jax.training.metrics import TOP, summarise
from r3d_jax.training.processes import gather
from r3d_jax.training.steps import eval_step


def evaluate(
    model: Classifier,
    variables: dict,
    batches: Batches,
    *,
    topk: tuple[int, ...] = TOP,
    devices: list[jax.Device] | None = None,
    workers: int = 2,
    views_at_once: int = 0,
    dtype: str = "float32",
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, int | float] | None:
    """Clip- and video-level accuracy on all of `batches`, every video counted once on however many devices.

    The step is compiled once for each frame size among the videos. Videos that cannot be read are told, and counted as
    `missing`; none takes their place.

    Args:
      variables: `params` and `batch_stats`, such as `state.variables`.
      batches: of `eval_batches`.
      topk: which top-k accuracies; those that would be 1 for any network are left out.
      devices: None: all.
      workers: threads that read.
      views_at_once, dtype: as in `predict_fn`.
      stop: asked before each batch; where it says so in any process, all give up.

    Returns:
      `video_top1`, `clip_top1` and so on, from 0 to 1; `mean_class_accuracy`, the mean over the classes of each one's
      own `video_top1`; `videos` and `clips`, how many were counted; `loss`, the mean cross-entropy of the videos;
      `missing`; `untested_classes`, how many have no video that was counted. None where `stop` came true.

    Raises:
      InputError: no video can be read.
    """
    devices, missing, seen = devices or jax.devices(), {}, {}
    static = {"model": model, "topk": topk, "views_at_once": views_at_once, "dtype": dtype}
    totals = _totals(replicate(variables, devices), batches, devices, workers, stop, missing, seen, static)
    if totals["stop"]:
        return None
    missing, seen = gather(missing), gather(seen)
    if missing:
        listing = "".join(f"\n  {batches.names[row]}: {why}" for row, why in missing.items())
        say(f"{len(missing)} test videos cannot be read and are not counted:{listing}")
    if not totals["videos"]:
        raise InputError("no test video can be read; prepare the data set again from a sound copy")
    classes = model.heads[0].num_classes
    untold = {"missing": len(missing), "untested_classes": classes - len(seen)}
    return summarise(totals, classes, topk) | untold


def describe(summary: dict[str, int | float], num_videos: int) -> str:
    """A summary of `evaluate` in one line: both levels, with their denominators.

    Args:
      num_videos: how many are in the split, of which a part may have been tested.
    """
    parts = []
    for level in ("video", "clip"):
        tops = [name for name in summary if name.startswith(f"{level}_top")]
        listing = ", ".join(f"top-{name.partition('_top')[2]} {summary[name]:.2%}" for name in tops)
        if level == "video":
            listing += f", mean class {summary['mean_class_accuracy']:.2%}"
        parts.append(f"{level}-level {listing} of {summary[f'{level}s']:,} {level}s")
    drawn = summary["videos"] + summary["missing"] < num_videos
    if drawn:
        parts[0] += f" (drawn from {num_videos:,})"
    if summary["missing"]:
        parts[0] += f" ({summary['missing']:,} missing)"
    if summary["untested_classes"] and not drawn:
        parts[0] += f" (no video of {summary['untested_classes']:,} classes)"
    return f"{parts[0]}; {parts[1]}; loss {summary['loss']:.4f}"


def _totals(variables, batches, devices, workers, stop, missing, seen, static):
    """Counts summed over all batches, or until `stop`.

    Why videos are `missing` is added to it by their rows, and to `seen` the labels of the others.
    """
    totals, late, steps = {"stop": 0}, None, {}
    with Progress(len(batches), unit="batch", label="Testing") as progress:
        for batch in read_ahead(batches, workers=workers):
            reasons = map(reason_of_row, batch["missing"])
            missing |= {row: why for row, why in zip(batch["row"].tolist(), reasons) if why}
            seen |= dict.fromkeys(batch["label"][batch["valid"]].tolist(), "")
            batch = split_over(_filled_up(batch, local_count(devices)), devices, stop())
            shape = batch["clips"].shape
            if shape not in steps:
                steps[shape] = _compiled(_Example(variables, batch), tuple(devices), **static)
            counts = steps[shape](variables, batch)
            _add(totals, late)
            late = counts  # read one batch late: no batch waits for them
            if totals["stop"]:
                return totals
            progress.advance()
    _add(totals, late)
    return totals


def _add(totals, late):
    if late is None:
        return
    counts, asked = jax.device_get(late)
    for name, value in {**counts, "stop": asked}.items():
        totals[name] = totals.get(name, 0) + (value if value.ndim else value.item())


class _Example:
    """Arguments of a step, of which their shapes alone count when compiled steps are looked up."""

    def __init__(self, *arguments: Any):
        self.arguments = arguments
        leaves, structure = jax.tree.flatten(arguments)
        self._key = (structure, *((x.shape, x.dtype, x.sharding) for x in leaves))

    def __hash__(self):
        return hash(self._key)

    def __eq__(self, other):
        return self._key == other._key


@lru_cache(maxsize=16)
def _compiled(example, devices, **static):
    arguments, example.arguments = example.arguments, ()  # the key stays in the cache, and its arrays would with it
    return pmap(eval_step, *arguments, devices=list(devices), **static)


def _filled_up(batch, count):
    """The batch's arrays, with videos that are not valid up to a number that `count` devices divide."""
    videos = len(batch["label"])
    rows = np.minimum(np.arange(-(-videos // count) * count), videos - 1)
    arrays = {name: batch[name][rows] for name in ("clips", "label", "valid")} if len(rows) > videos else batch
    valid = arrays["valid"] & (np.arange(len(rows)) < videos)
    return {"clips": arrays["clips"], "label": arrays["label"], "valid": valid}
