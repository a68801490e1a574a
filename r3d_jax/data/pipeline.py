"""Records to batches; the only file that touches grain. Batch k is a function of k and the seed alone."""

import signal
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import cv2
import grain
import numpy as np
from absl import flags
from jaxtyping import Int

from r3d_jax.data.builder import VideoSet
from r3d_jax.data.clips import train_clip
from r3d_jax.data.pixels import read_window
from r3d_jax.data.reading import FAILURES, open_video, read_or_replace, read_twice
from r3d_jax.data.transforms import draw_window, short_edge_size
from r3d_jax.data.views import crops_of, moments, read_views

MIX = 1  # tells the generators that mix a batch from those that draw its clips


def steps_per_epoch(num_videos: int, batch_size: int) -> int:
    """Batches that show each of an epoch's videos; the last is filled up with further clips of its first videos."""
    return -(-num_videos // batch_size)


def train_batches(
    videos: VideoSet,
    rows: Int[np.ndarray, "video"],
    *,
    batch_size: int,
    videos_per_epoch: int,
    seed: int,
    frames: int,
    strides: tuple[int, int],
    frame_rate: float = 0.0,
    sizes: tuple[int, int],
    crop: int,
    flip: float,
    augment: Callable | None = None,
    mix: Callable | None = None,
    share: tuple[int, int] = (0, 1),
) -> grain.MapDataset:
    """Endless: element k is training batch k.

    Every epoch shows `videos_per_epoch` of `rows` (0: all) in a new order, one random clip each; order and clips are
    drawn from (seed, epoch, place in the epoch).

    Args:
      strides: of the frames in a clip; drawn for each, both included.
      frame_rate: that videos are brought to first, by their time stamps; 0: every frame counts, as it is stored.
      augment: (clip, generator) -> clip.
      mix: (batch, one generator for each pair of clips) -> batch.
      share: (number of this process, how many there are): its part of every batch is all that it reads.

    Returns:
      `clip` [batch, time, crop, crop, channel] uint8 and `label`; also `failed`, the row of a video that could not be
      read and was replaced by another of its class (-1: none), and `reason`.
    """
    per_epoch = videos_per_epoch or len(rows)
    places = steps_per_epoch(per_epoch, batch_size) * batch_size
    process, processes = share
    local = batch_size // processes

    def read(video, rng):
        stride = int(rng.integers(strides[0], strides[1] + 1))
        shown = moments(video, frame_rate)
        indices = shown[train_clip(len(shown), rng, frames=frames, stride=stride)]
        clip = read_window(*video, indices, draw_window(rng, sizes=sizes, crop=crop, flip=flip))
        return augment(clip, rng) if augment else clip

    def example(i: int) -> dict[str, Any]:
        batch, member = divmod(i, local)
        epoch, place = divmod(batch * batch_size + process * local + member, places)
        row = int(rows[_order(seed, epoch, len(rows))[place % per_epoch % len(rows)]])
        clip, reason = read_or_replace(videos, rows, row, [seed, epoch, place], read)
        label = videos.index["label"][row].astype(np.int32)
        return {"clip": clip, "label": label, "failed": row if reason else -1, "reason": reason}

    def mixed(k: int, batch: dict[str, Any]) -> dict[str, Any]:
        pairs = range(process * local // 2, (process + 1) * local // 2)
        return mix(batch, [np.random.default_rng([seed, MIX, k, pair]) for pair in pairs])

    batches = grain.MapDataset.range(np.iinfo(np.int32).max).map(example).batch(local)
    return batches.map_with_index(mixed) if mix else batches


def test_batches(
    videos: VideoSet,
    rows: Int[np.ndarray, "video"],
    *,
    batch_size: int,
    views: int,
    frames: int,
    stride: int,
    frame_rate: float = 0.0,
    size: int,
    cut: Callable | None = None,
    share: tuple[int, int] = (0, 1),
) -> grain.MapDataset:
    """Every video of `rows` once, as `views` clips of the whole frame, or of each crop that `cut` makes of it.

    An element holds `clips` [batch, view, time, height, width, channel] uint8, `label`, `row`, `valid`, and why a video
    is `missing` (empty: it is not); the last batch of each frame size is filled up with videos that are not `valid`, so
    that all batches of a size are alike. A video that cannot be read is not `valid` either.
    """
    groups = _by_size(videos, rows, batch_size, None if cut else size)
    process, processes = share
    local = batch_size // processes

    how = {"views": views, "frames": frames, "stride": stride, "frame_rate": frame_rate, "size": size, "cut": cut}

    def read(row):
        return read_views(open_video(videos, row), **how)

    def example(i: int) -> dict[str, Any]:
        batch, member = divmod(i, local)
        row, valid = groups[batch * batch_size + process * local + member]
        missing = ""
        try:
            clips = read_twice(read, row)
        except FAILURES as error:
            size_of_row = short_edge_size(int(videos.index["height"][row]), int(videos.index["width"][row]), size)
            clips = crops_of(np.zeros((views, frames, *size_of_row, 3), np.uint8), cut)
            missing = str(error)
        label = videos.index["label"][row].astype(np.int32)
        return {"clips": clips, "label": label, "row": row, "valid": valid and not missing, "missing": missing}

    return grain.MapDataset.range(len(groups) // processes).map(example).batch(local)


def read_ahead(dataset: grain.MapDataset, *, workers: int, processes: int = 0) -> grain.IterDataset:
    """Iterates in order while `workers` threads prepare the next batches, one each, or `processes` do.

    Threads share Python's lock, and more than two seldom help; processes take seconds to start.

    Memory: the bytes of a batch times the batches that are ready or under way (as many as workers, at least two; two
    for each process) and the one in use; and for each worker or process one video's bytes and the decoded frames of
    one clip (in testing: of all its clips).
    """
    cv2.setNumThreads(1)  # the workers are the threads
    if not processes:
        ready = max(2, workers) if workers else 0
        return dataset.to_iter_dataset(grain.ReadOptions(num_threads=workers, prefetch_buffer_size=ready))
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()  # grain asks them for its own settings
    alone = dataset.to_iter_dataset(grain.ReadOptions(num_threads=0, prefetch_buffer_size=0))
    options = grain.MultiprocessingOptions(num_workers=processes, per_worker_buffer_size=1)
    return alone.mp_prefetch(options, worker_init_fn=_begin_process)


def _begin_process(*_):
    """Ctrl-C reaches every process of a terminal's group; the one that trains decides what follows."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)


def spread_over_classes(
    labels: Int[np.ndarray, "video"], rows: Int[np.ndarray, "row"], count: int, seed: int
) -> Int[np.ndarray, "count"]:
    """`count` of `rows`, drawn by the seed, a first of every class before the second of any."""
    shuffled = np.random.default_rng(seed).permutation(rows)
    seen: dict[int, int] = {}
    turn = []
    for row in shuffled:
        turn.append(seen.get(int(labels[row]), 0))
        seen[int(labels[row])] = turn[-1] + 1
    return np.sort(shuffled[np.argsort(turn, kind="stable")][:count])


@lru_cache(maxsize=2)
def _order(seed, epoch, count):
    return np.random.default_rng([seed, epoch]).permutation(count)


def _by_size(videos, rows, batch_size, size):
    """(row, valid) pairs in which every `batch_size` in a row have frames of one size once resized (None: all do)."""
    heights, widths = videos.index["height"][rows].tolist(), videos.index["width"][rows].tolist()
    sizes = [size and short_edge_size(height, width, size) for height, width in zip(heights, widths)]
    pairs = []
    for group in sorted(set(sizes)) if size else [None]:
        members = [row for row, its in zip(rows, sizes) if its == group]
        pairs += [(row, True) for row in members]
        pairs += [(members[-1], False)] * (-len(members) % batch_size)
    return [(int(row), valid) for row, valid in pairs]
