"""The report on a trained network: every test video, as numbers, a table and a page."""

from dataclasses import replace
from functools import partial
from html import escape
from pathlib import Path

import jax
import numpy as np
import optax

from r3d_jax import config as configs
from r3d_jax.config import Config
from r3d_jax.config_check import check
from r3d_jax.data.builder import VideoSet
from r3d_jax.data.census import census_of, largest_class
from r3d_jax.data.multi_label import classes_in
from r3d_jax.errors import InputError
from r3d_jax.files import write_text
from r3d_jax.inference.forward import make_maps, video_logits
from r3d_jax.inference.precision import choose_dtype
from r3d_jax.report import charts, multi_label, multi_label_page, sections, statistics
from r3d_jax.report.collect import Tested, collect, predictions_csv
from r3d_jax.report.page import class_table, fill, percent, strips
from r3d_jax.report.pictures import draw_strips, some, worst
from r3d_jax.report.statistics import proportion_of_clips, rank_of
from r3d_jax.training.from_config import eval_options, load_videos, make_eval_batches
from r3d_jax.training.logs import say
from r3d_jax.training.metrics import TOP, proportion_of
from r3d_jax.weights.load import load
from r3d_jax.weights.run_files import CONFIG, NETWORK, read_config, saved_by_script

MISTAKES, MAPPED = 12, 6  # videos that are shown
# Settings on which it depends which videos are tested, and on what clips of them.
DECIDING = tuple(
    f"data.{name}" for name in ("name", "source", "splits", "fold", "test_share", "group", "split_seed", "multi_label")
)
DECIDING += ("data.reencode", "data.key_every")
DECIDING += tuple(
    f"clip.{name}" for name in ("frames", "stride", "frame_rate", "crop", "test_size", "test_crop", "views", "crops")
)


def report(config: Config, workdir: Path, checkpoint: str = "last") -> int:
    """Tests a network on every test video and writes `report.html` and `predictions.csv`; the exit status.

    The network is that of the run in `workdir` or, where that holds none, the one that `finetune.source` names. Where
    the run was trained with other settings that decide which videos are tested or what is seen of them, the report
    begins with a line on each, which is printed too.

    Args:
      config: which videos are tested, and on what clips of them.
      workdir: folder that the report is written into.
      checkpoint: "last" or "best", of the run in `workdir`.

    Raises:
      InputError: settings that cannot work, no network, or videos that cannot be had or are of other classes.
    """
    check(config, 1)
    if jax.process_count() > 1:
        raise InputError(f"a report is made in one process, and here are {jax.process_count()}; start it alone")
    source = _source(config, workdir)
    network = load(source, checkpoint if source == workdir else config.finetune.checkpoint)
    for note in (notes := _differences(config, source, network)):
        say(note)
    videos = load_videos(config)
    _check_classes(network, videos, config.data.name)
    batches = make_eval_batches(config, videos, jax.device_count())
    options = eval_options(config)
    chosen = config.eval.dtype == "auto" and options["dtype"] == "float32"
    options["dtype"], line = choose_dtype(network, "auto" if chosen else options["dtype"])
    say(line)
    tested = collect(network, batches, workers=config.data.workers, **options)
    if videos.multi_label:
        numbers = multi_label.numbers_of(tested)
    else:
        numbers = _numbers(tested, network) | {"largest_class": _largest_class(config, videos, tested)}
    of_labels = multi_label_page.predictions_csv if videos.multi_label else predictions_csv
    table = of_labels(tested, network.class_names, videos.index["name"], videos.index["label"])
    seen = classes_in(tested.labels)
    untested = [name for label, name in enumerate(network.class_names) if label not in seen]
    notes += [sections.untested_classes(untested)] if untested else []
    page = _page(config, f"{workdir.resolve().name} on {config.data.name}", network, videos, tested, numbers, notes)
    write_text(workdir / "predictions.csv", table)
    write_text(workdir / "report.html", page)
    count, clips = tested.of_clips.shape[:2]
    if videos.multi_label:
        lines = multi_label_page.lines(numbers, count, len(tested.missing), untested)
    else:
        lines = sections.lines(numbers, count, count * clips, len(tested.missing), untested)
    say("\n".join(lines))
    say(f"{workdir / 'report.html'}: {len(page) / 2**20:.1f} MiB; every prediction: {workdir / 'predictions.csv'}")
    return 0


def _source(config, workdir):
    """Where the network is: the run's folder, or what the settings name where that holds none."""
    source = config.finetune.source
    if source and not (workdir / NETWORK).exists():
        return Path(source).expanduser()
    if not workdir.exists():
        raise InputError(
            f"no run in {workdir}; train one, name its folder (`workdir`), or a converted network (`finetune.source`)"
        )
    return workdir


def _differences(config, source, network):
    """A line for each setting that decides what is tested, and how, and differs from what the network has had."""
    is_run = (source / CONFIG).exists()
    known = is_run and not saved_by_script(source)
    trained = read_config(source) if known else replace(config, clip=network.clip)
    changed = configs.changed(trained, config)
    return [
        f"{name}: {before!r} {'in training' if is_run else 'of its own'}, {now!r} now"
        + ("; videos that it was trained on may be among those tested" if name.startswith("data.") else "")
        for name, (before, now) in changed.items()
        if name in DECIDING
    ]


def _check_classes(network, videos: VideoSet, name):
    ours, theirs = network.class_names, videos.class_names
    if videos.multi_label and not network.multi_label:
        raise InputError(
            f"the videos of {name} have several labels, and the network's classes exclude each other (its head's "
            f"activation is {network.model.heads[0].activation}); fine-tune it on them (`finetune.source`)"
        )
    if len(ours) != len(theirs):
        raise InputError(
            f"the network tells {len(ours)} classes apart, but {name} has {len(theirs)}; test it on the data that it "
            "was trained for, or fine-tune it (`finetune.source`)"
        )
    if ours != theirs:
        i = next(i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b)
        raise InputError(
            f"class {i + 1} of the network is {ours[i]!r}, of {name} {theirs[i]!r}; name the classes as the data does: "
            "convert the network again, with a file of their names"
        )


def _numbers(tested: Tested, network):
    """Every number of the report, by name."""
    labels, clips = tested.labels, tested.of_clips.shape[1]
    losses = jax.jit(optax.softmax_cross_entropy_with_integer_labels)(tested.logits, labels)
    bins, error = statistics.calibration(tested.confidence, tested.predicted == labels)
    numbers = {"loss": float(losses.mean()), "bins": bins, "calibration_error": error}
    numbers["mean_class_accuracy"] = statistics.mean_class_accuracy(tested.predicted, labels)
    of_videos, of_clips = rank_of(tested.logits, labels), rank_of(tested.of_clips, np.repeat(labels[:, None], clips, 1))
    for k in TOP:
        if k == 1 or k < len(network.class_names):
            numbers[f"video_top{k}"] = proportion_of(int((of_videos <= k).sum()), len(labels))
            numbers[f"clip_top{k}"] = proportion_of_clips(of_clips <= k)
    return numbers


def _largest_class(config, videos, tested):
    """The class with the most training videos, and its share of what was tested."""
    trained = videos.index["label"][videos.index[f"fold{config.data.fold}"] == "train"]
    members = ["train"] * len(trained) + ["test"] * len(tested.labels)
    return largest_class(census_of(np.concatenate([trained, tested.labels]), members, videos.class_names))


def _page(config, title, network, videos, tested, numbers, notes):
    shared = {
        "title": escape(title),
        "notes": sections.notes(notes),
        "facts": sections.facts(config, network, len(tested.rows), len(tested.missing)),
        "missing": sections.missing_videos(tested.missing, videos.index["name"]),
    }
    if videos.multi_label:
        slots = multi_label_page.slots(config, network, videos, tested, numbers, (MISTAKES, MAPPED))
        return fill(shared | slots, "multi_label.html")
    return fill(shared | _slots(config, network, videos, tested, numbers))


def _slots(config, network, videos, tested, numbers):
    count, clips = tested.of_clips.shape[:2]
    matrix = statistics.confusion(tested.predicted, tested.labels, len(network.class_names))
    rows = statistics.by_class(matrix, network.class_names)
    grid = tested.of_clips.reshape(count, config.clip.crops, config.clip.views, -1)
    course = statistics.by_views(grid, tested.labels, partial(video_logits, network=network))
    shown = partial(draw_strips, clip=config.clip, videos=videos, tested=tested)
    error = percent(numbers["calibration_error"], 2)
    return {
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
        "method": sections.method(network, clips, rows),
    }
