"""The report's parts: what was tested on what, the numbers that matter, what is missing, how it was counted."""

from collections.abc import Sequence
from html import escape
from typing import Any

from r3d_jax.config import Config
from r3d_jax.data.sources import some
from r3d_jax.models.cost import parameters
from r3d_jax.report.page import interval, paragraphs, percent, tile
from r3d_jax.report.statistics import SUBSETS, ClassResult
from r3d_jax.training.metrics import Proportion
from r3d_jax.weights.trained import TrainedNetwork

LEVELS = (("video", 1), ("video", 5), ("clip", 1), ("clip", 5))


def lines(numbers: dict[str, Any], videos: int, clips: int, missing: int, untested: Sequence[str] = ()) -> list[str]:
    """The numbers of a test as lines for a terminal: accuracies with their intervals, the loss, what is missing.

    Args:
      numbers: by name: `video_top1`, `clip_top5`, ... (proportions; those that are missing are left out),
        `mean_class_accuracy`, `loss`, `calibration_error` and `largest_class`, its name and the accuracy of always
        answering it.
      videos, clips, missing: how many were tested, and how many videos could not be read.
      untested: the classes of which no video was tested.
    """
    found = []
    for level, k in LEVELS:
        proportion: Proportion = numbers.get(f"{level}_top{k}")
        if proportion:
            count = videos if level == "video" else clips
            value, low, high = (f"{each:.2%}" for each in proportion)
            found.append(f"{level}-level top-{k} {value} (95 % interval {low} to {high}) of {count:,} {level}s")
    found.append(f"video-level mean class accuracy {numbers['mean_class_accuracy']:.2%}")
    name, chance = numbers["largest_class"]
    found.append(f"always answering {name}, the largest class, would reach {chance:.2%}")
    found.append(f"loss {numbers['loss']:.4f}, expected calibration error {numbers['calibration_error']:.2%}")
    return found + shortfalls(missing, untested)


def shortfalls(missing: int, untested: Sequence[str]) -> list[str]:
    """Lines on the videos that could not be read, and on the classes of which no video was tested, if there are any."""
    found = []
    if missing:
        found.append(f"{missing:,} test videos cannot be read and are not counted; predictions.csv names them")
    if untested:
        found.append(untested_classes(untested))
    return found


def tiles(numbers: dict[str, Any], videos: int, clips: int) -> str:
    """The numbers of a test as HTML tiles, to be seen at a glance.

    Args:
      numbers: by name: `video_top1`, `clip_top5`, ... (proportions; those that are missing are left out),
        `mean_class_accuracy`, `loss`, `calibration_error` and `largest_class`, its name and the accuracy of always
        answering it.
      videos, clips: how many were tested.
    """
    found = []
    for level, k in LEVELS:
        proportion: Proportion = numbers.get(f"{level}_top{k}")
        if proportion:
            count = videos if level == "video" else clips
            below = f"{interval(proportion)}<br>of {count:,} {level}s"
            found.append(tile(f"{level}-level top-{k}", percent(proportion.value, 2), below))
    of_classes = percent(numbers["mean_class_accuracy"], 2)
    found.append(tile("mean class accuracy", of_classes, "video level, each class counted the same"))
    name, chance = numbers["largest_class"]
    found.append(tile("largest class", percent(chance, 2), f"always answering {escape(name)}"))
    found.append(tile("loss", f"{numbers['loss']:.4f}", "cross-entropy of the videos"))
    found.append(tile("calibration error", percent(numbers["calibration_error"], 2), "expected, of the videos"))
    return "".join(found)


def untested_classes(names: Sequence[str]) -> str:
    """What the accuracies do not say: how many classes had no video that was tested, and which; empty: none."""
    return f"no video of {len(names):,} classes was tested ({some(names)}): no accuracy speaks of them" if names else ""


def notes(lines: list[str]) -> str:
    """HTML of what was set otherwise than in training, a paragraph a line, to stand above everything else."""
    return "".join(f'<p class="note">{escape(line)}</p>' for line in lines)


def facts(config: Config, network: TrainedNetwork, videos: int, missing: int) -> str:
    """One line of HTML on what was tested on what: the network's size, the data set, the videos, their clips."""
    clip, first = config.clip, network.clip.frames
    crops = "" if clip.crops == 1 else f" of {clip.crops} crops each"
    middle = f", the middle {clip.test_crop}" if clip.test_crop else ""
    parts = [
        f"{parameters(network.model):,} parameters",
        f"{len(network.class_names)} classes",
        f"{config.data.name} fold {config.data.fold}",
        f"{videos:,} test videos" + (f" ({missing:,} missing)" if missing else ""),
        f"{clip.views} views{crops} of {clip.frames} frames, stride {clip.stride}, short edge {clip.test_size}{middle}",
    ]
    if clip.frames != first:
        parts.append(f"trained on {first} frames")
    return escape("; ".join(parts))


def missing_videos(missing: dict[int, str], names) -> str:
    """HTML that lists the videos that could not be read with the reasons; empty where all could.

    Args:
      missing: {place in the data set's index: reason}.
      names: of all videos in the data set's index.
    """
    if not missing:
        return ""
    items = "".join(f"<li>{escape(str(names[row]))}: {escape(why)}</li>" for row, why in sorted(missing.items()))
    return f'<h2>Missing videos</h2><p class="quiet">Not counted anywhere above.</p><ul id="missing">{items}</ul>'


def course_of_views(points: list[tuple[int, float]]) -> str:
    """One sentence of HTML on the effect of the number of views on the accuracy.

    Args:
      points: (number of views, accuracy with so many), from one view to all.
    """
    (first, alone), (last, together) = points[0], points[-1]
    if first == last:
        return f"With the one view that was tested {percent(alone)}."
    return (
        f"With one view {percent(alone)}, with {last} {percent(together)}: the mean over subsets of the views, all of "
        f"them or {SUBSETS} drawn ones."
    )


def method(network: TrainedNetwork, clips: int, rows: list[ClassResult]) -> str:
    """HTML that explains how the numbers of the page were counted.

    Args:
      clips: how many there are of each video.
      rows: one for each class.
    """
    average = network.model.heads[0].average.removeprefix("clip_")
    tested = sum(row.videos > 0 for row in rows)
    return paragraphs(
        [
            f"Video level: the {average} of a video's {clips} clips are averaged, and the video is counted once. Clip "
            "level: each clip is counted by itself.",
            "Intervals are Wilson's, for 95 %. Clips of one video are alike, so the interval at clip level is that of "
            "as many independent clips as they are worth (their number over the design effect, at least the videos'). "
            "Videos that were cut from one recording are alike too, which no interval here takes into account.",
            f"{tested} of {len(rows)} classes have test videos. Recall: of a class's videos, how many are recognised. "
            "Precision: of the videos taken for a class, how many are of it.",
        ]
    )
