"""Testing on every video of a split, each counted exactly once."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from r3d_jax.data.batches import Batches, read_ahead
from r3d_jax.data.multi_label import classes_in
from r3d_jax.data.reading import reason_of_row
from r3d_jax.errors import InputError
from r3d_jax.models.classifier import Classifier
from r3d_jax.models.fused import fused, prepared_once
from r3d_jax.training.average_precision import mean_average_precision
from r3d_jax.training.devices import alone, compiled_ahead, local_count, pmap, replicate, split_over
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

    Of videos of several labels it is the mean average precision at video level instead.

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
      `missing`; `untested_classes`, how many have no video that was counted. Of several labels there is `map` in place
      of the accuracies, over the classes that have a video, and the loss is the mean binary cross-entropy. None where
      `stop` came true.

    Raises:
      InputError: no video can be read, or none of several labels has one; several labels, and a head whose activation
        is not a sigmoid.
    """
    devices, missing, seen, each = devices or jax.devices(), {}, {}, []
    static = {"model": model, "topk": topk, "views_at_once": views_at_once, "dtype": dtype}
    totals = _totals(replicate(variables, devices), batches, devices, workers, stop, missing, seen, each, static)
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
    if not each:
        return summarise(totals, classes, topk) | untold
    scores, labels, valid = (np.concatenate(parts) for parts in zip(*each))
    if not seen:
        raise InputError("none of the test videos has a label, and there is no precision to measure; name some that do")
    return summarise(totals, classes, ()) | {"map": mean_average_precision(scores[valid], labels[valid])} | untold


def best_by(summary: dict[str, int | float]) -> str:
    """The name of the number in a summary of `evaluate` by which checkpoints are compared; the largest is the best."""
    return "map" if "map" in summary else "video_top1"


def describe(summary: dict[str, int | float], num_videos: int, baseline: float | None = None) -> str:
    """A summary of `evaluate` in one line: both levels, with their denominators.

    Args:
      num_videos: how many are in the split, of which a part may have been tested.
      baseline: the accuracy of always answering the largest class, from 0 to 1; None: it is not told.
    """
    parts = []
    if "map" in summary:
        parts.append(f"video-level mAP {summary['map']:.2%} of {summary['videos']:,} videos")
    for level in ("video", "clip") if not parts else ():
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
    chance = [] if baseline is None else [f"largest class {baseline:.2%}"]
    return "; ".join([*parts, f"loss {summary['loss']:.4f}", *chance])


def _totals(variables, batches, devices, workers, stop, missing, seen, each, static):
    """Counts summed over all batches, or until `stop`.

    Why videos are `missing` is added to it by their rows, to `seen` the labels of the others, and to `each`, of several
    labels, (scores, labels, valid) of every batch.
    """
    totals, late, steps = {"stop": 0}, None, {}
    prepared = prepared_once(variables, devices[0])
    with Progress(len(batches), unit="batch", label="Testing") as progress:
        for batch in read_ahead(batches, workers=workers):
            reasons = map(reason_of_row, batch["missing"])
            missing |= {row: why for row, why in zip(batch["row"].tolist(), reasons) if why}
            seen |= dict.fromkeys(classes_in(batch["label"][batch["valid"]]), "")
            batch = split_over(_filled_up(batch, local_count(devices)), devices, stop())
            shape = batch["clips"].shape
            if shape not in steps:
                steps[shape] = _compiled(_Example(variables, batch), tuple(devices), **static)
            found, run = steps[shape]
            counts = run(prepared(found), batch)
            _add(totals, each, late)
            late = counts  # read one batch late: no batch waits for them
            if totals["stop"]:
                return totals
            progress.advance()
    _add(totals, each, late)
    return totals


def _add(totals, each, late):
    if late is None:
        return
    counts, asked = jax.device_get(late)
    if "scores" in counts:
        each.append([counts.pop(name) for name in ("scores", "labels", "valid")])
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
    """How variables are prepared for a step, or None, and the step: on one CPU that has oneDNN, fused."""
    arguments, example.arguments = example.arguments, ()  # the key stays in the cache, and its arrays would with it
    if len(devices) == 1 and (found := fused(alone(eval_step, **static), *arguments)):
        return found, compiled_ahead(jax.jit(found.run), found.shapes, *arguments[1:], platform="cpu")
    return None, pmap(eval_step, *arguments, devices=list(devices), **static)


def _filled_up(batch, count):
    """The batch's arrays, with videos that are not valid up to a number that `count` devices divide."""
    videos = len(batch["label"])
    rows = np.minimum(np.arange(-(-videos // count) * count), videos - 1)
    arrays = {name: batch[name][rows] for name in ("clips", "label", "valid")} if len(rows) > videos else batch
    valid = arrays["valid"] & (np.arange(len(rows)) < videos)
    return {"clips": arrays["clips"], "label": arrays["label"], "valid": valid}
