"""`main.py --mode evaluate`: a trained network on every test video, as numbers, a table and a page."""

import os
from functools import partial
from html import escape
from pathlib import Path

import jax
import numpy as np
import optax

from r3d_jax import config as configs
from r3d_jax.config import Config, check
from r3d_jax.data.builder import VideoSet, split_rows
from r3d_jax.errors import InputError
from r3d_jax.inference.forward import make_maps, video_logits
from r3d_jax.report import charts, sections, statistics
from r3d_jax.report.collect import Tested, collect, predictions_csv
from r3d_jax.report.page import class_table, fill, percent, strips
from r3d_jax.report.pictures import draw_strips, some, worst
from r3d_jax.report.statistics import rank_of, share_of, share_of_clips
from r3d_jax.training.metrics import TOP
from r3d_jax.training.progress import say
from r3d_jax.training.task import load_videos, tests_of
from r3d_jax.weights.load import load
from r3d_jax.weights.saved import Loaded

MISTAKES, MAPPED = 12, 6  # videos that are shown


def report(config: Config, workdir: Path, checkpoint: str = "last") -> int:
    """Writes `report.html` and `predictions.csv` into `workdir`; the exit status.

    Tests the run in `workdir` or, where that holds none, the network that `finetune.source` names.

    Raises:
      InputError: something that the user can put right.
    """
    check(config, 1)
    if jax.process_count() > 1:
        raise InputError(f"--mode evaluate runs in one process, and here are {jax.process_count()}; start it alone")
    network = _network(config, workdir, checkpoint)
    videos = load_videos(config)
    _check_classes(network, videos, config.data.name)
    rows = split_rows(videos, config.data.fold, "test")
    batches = tests_of(config, videos, rows, jax.device_count())
    static = {"views_at_once": config.eval.views_at_once, "dtype": config.train.dtype}
    tested = collect(network, batches, workers=config.data.workers, **static)
    numbers = _numbers(tested, network)
    workdir.mkdir(parents=True, exist_ok=True)
    table = predictions_csv(tested, network.class_names, videos.index["name"], videos.index["label"])
    page = _page(config, f"{workdir.resolve().name} on {config.data.name}", network, videos, tested, numbers)
    for name, text in (("predictions.csv", table), ("report.html", page)):
        unfinished = workdir / f"{name}.tmp"
        unfinished.write_text(text)
        os.replace(unfinished, workdir / name)
    count, clips = tested.of_clips.shape[:2]
    say("\n".join(sections.lines(numbers, count, count * clips, len(tested.missing))))
    say(f"{workdir / 'report.html'}: {len(page) / 2**20:.1f} MiB; every prediction: {workdir / 'predictions.csv'}")
    return 0


def _network(config, workdir, checkpoint) -> Loaded:
    source = config.finetune.source
    if (workdir / "network.json").exists() or not source:
        if not workdir.exists():
            raise InputError(
                f"no run in {workdir}; train one (without --mode evaluate), name its folder with --workdir, or a "
                "converted network with --config.finetune.source=FILE"
            )
        network = load(workdir, checkpoint)
        for name, (before, now) in configs.changed(configs.read(workdir / "config.json"), config).items():
            if name.startswith("clip."):
                say(f"{name}: {before!r} in training, {now!r} now")
        return network
    return load(source, config.finetune.checkpoint)


def _check_classes(network, videos: VideoSet, name):
    ours, theirs = network.class_names, videos.class_names
    if len(ours) != len(theirs):
        raise InputError(
            f"the network tells {len(ours)} classes apart, but {name} has {len(theirs)}; test it on the data that it "
            "was trained for, or fine-tune it (finetune.source)"
        )
    if ours != theirs:
        i = next(i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b)
        raise InputError(
            f"class {i + 1} of the network is {ours[i]!r}, of {name} {theirs[i]!r}; name the classes as the data does "
            "(python -m r3d_jax convert ... --classes FILE)"
        )


def _numbers(tested: Tested, network):
    """Every number of the report, by name."""
    labels, clips = tested.labels, tested.of_clips.shape[1]
    losses = optax.softmax_cross_entropy_with_integer_labels(tested.logits, labels)
    bins, error = statistics.calibration(tested.confidence, tested.predicted == labels)
    numbers = {"loss": float(losses.mean()), "bins": bins, "calibration_error": error}
    of_videos, of_clips = rank_of(tested.logits, labels), rank_of(tested.of_clips, np.repeat(labels[:, None], clips, 1))
    for k in TOP:
        if k == 1 or k < len(network.class_names):
            numbers[f"video_top{k}"] = share_of(int((of_videos <= k).sum()), len(labels))
            numbers[f"clip_top{k}"] = share_of_clips(of_clips <= k)
    return numbers


def _page(config, title, network, videos, tested, numbers):
    count, clips = tested.of_clips.shape[:2]
    matrix = statistics.confusion(tested.predicted, tested.labels, len(network.class_names))
    rows = statistics.by_class(matrix, network.class_names)
    grid = tested.of_clips.reshape(count, config.clip.crops, config.clip.views, -1)
    course = statistics.by_views(grid, tested.labels, partial(video_logits, network=network))
    shown = partial(draw_strips, clip=config.clip, videos=videos, tested=tested)
    error = percent(numbers["calibration_error"], 2)
    return fill(
        {
            "title": escape(title),
            "facts": sections.facts(config, network, count, len(tested.missing)),
            "tiles": sections.tiles(numbers, count, count * clips),
            "classes": class_table(rows),
            "confusion": charts.confusion_svg(matrix, network.class_names),
            "calibration": charts.calibration_image(numbers["bins"]),
            "calibration_text": f"Expected calibration error {error}: how far apart confidence and accuracy are, on "
            "average. Numbers are videos.",
            "views": charts.views_image(course, numbers["video_top1"]),
            "views_text": sections.course_of_views(course),
            "mistakes": strips(shown(worst(tested, MISTAKES)), "No video is taken for another."),
            "maps": strips(shown(some(tested, MAPPED), maps=make_maps(network)), "None could be drawn."),
            "missing": sections.missing_videos(tested.missing, videos.index["name"]),
            "method": sections.method(network, clips, rows),
        }
    )
