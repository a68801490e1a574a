"""Records to batches; the only file that touches grain. Batch k is a function of k and the seed alone."""

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import grain
import numpy as np
from absl import flags
from jaxtyping import Int

from r3d_jax.data.builder import VideoSet
from r3d_jax.data.reading import FAILURES, label_of, open_video, pack_reason, read_or_replace, read_twice
from r3d_jax.data.sampling import grouped_by_size, split_rows, spread_over_classes
from r3d_jax.data.training_clip import read_random_clip
from r3d_jax.data.training_order import names_of, training_order
from r3d_jax.errors import InputError
from r3d_jax.video.clips import ClipSpec, check_clip
from r3d_jax.video.transforms import cutter, short_edge_size
from r3d_jax.video.views import crops_of, read_views

MIX = 1  # tells the generators that mix a batch from those that draw its clips


@dataclass(frozen=True)
class Batches:
    """Batches of arrays by their number: `batches[k]` is batch k, and the same whenever and wherever it is asked for.

    Attributes:
      dataset: grain's pipeline, whose element k is batch k.
      length: what `len` gives: of training batches those of one epoch, though their numbers go on after it; of
        evaluation batches all.
      names: of every video in the data set, by the rows that `failed` and `row` of a batch speak of.
      num_videos: how many videos an epoch, or the test, is drawn from.
      videos_of: of training batches, the names of the videos that the clips of batch k are of.

    Raises:
      IndexError: there is no batch of that number, negative ones included.
    """

    dataset: grain.MapDataset
    length: int
    names: np.ndarray
    num_videos: int
    videos_of: Callable[[int], list[str]] | None = None

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, k: int) -> dict[str, np.ndarray]:
        if not 0 <= k < len(self.dataset):
            raise IndexError(f"no batch {k}; there are {len(self.dataset)}")
        return self.dataset[k]

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        return (self[k] for k in range(len(self)))


def train_batches(
    videos: VideoSet,
    split: str | Int[np.ndarray, "video"],
    clip: ClipSpec,
    *,
    fold: int = 1,
    batch_size: int = 8,
    seed: int = 0,
    videos_per_epoch: int = 0,
    balanced: bool = False,
    repeats: int = 1,
    strides: tuple[int, ...] = (),
    area: tuple[float, ...] = (),
    aspect: tuple[float, float] = (3 / 4, 4 / 3),
    augment: Callable | None = None,
    mix: Callable | None = None,
    shard: tuple[int, int] = (0, 1),
) -> Batches:
    """Endless training batches: `train_batches(...)[k]` is batch k, and `len` of them make an epoch.

    Every epoch shows its videos in a new order, a random clip each, drawn from (seed, epoch, place in the epoch).

    Args:
      videos: a prepared data set, as its builder's `load` gives it.
      split: "train" or "test" of the `fold`, or rows of the data set's index.
      clip: how many frames a clip has, and how they are cut.
      fold: the official split that `split` is of, from 1.
      batch_size: clips of a batch, over all processes.
      seed: of everything that is drawn.
      videos_per_epoch, balanced: videos that an epoch shows (0: as many as there are); whether of each class as many.
      repeats: clips of each video in a batch, each drawn anew; an epoch has as many times the batches.
      strides, area, aspect, augment: of every clip, as `read_random_clip` takes them.
      mix: (batch, one generator for each pair of clips) -> batch.
      shard: (number of this process, how many there are): its part of every batch is all that it reads.

    Returns:
      Batches of `clip` uint8 [batch, time, crop, crop, 3], `label` as `reading.label_of` gives it, and `row` int32
      [batch]; also `failed`, the row of a video that could not be read and was replaced by another (-1: none), why, as
      `reading.reason_of_row` tells of a row of `reason`, and what `mix` adds.

    Raises:
      InputError: an argument that makes no sense; on reading a batch: no video of a class can be read.
    """
    rows = _checked_rows(videos, split, fold, clip, batch_size, shard)
    order = {"batch_size": batch_size, "videos_per_epoch": videos_per_epoch, "balanced": balanced, "repeats": repeats}
    steps, stands = training_order(rows, videos.index["label"][rows], seed=seed, **order)
    read = partial(read_random_clip, clip=clip, strides=strides, area=area, aspect=aspect, augment=augment)
    local, first = batch_size // shard[1], batch_size // shard[1] * shard[0]

    def example(i: int) -> dict[str, Any]:
        row, seeds = stands(i // local, first + i % local)
        pixels, shown, reason = read_or_replace(videos, rows, row, seeds, read)
        told = {"row": np.int32(row), "failed": row if reason else -1, "reason": pack_reason(reason)}
        return {"clip": pixels, "label": label_of(videos, shown)} | told

    batches = grain.MapDataset.range(np.iinfo(np.int32).max).map(example).batch(local)
    if mix:
        batches = batches.map_with_index(partial(_mixed, mix, seed, range(first // 2, (first + local) // 2)))
    names = videos.index["name"]
    return Batches(batches, steps, names, len(rows), partial(names_of, names=names, size=batch_size, stands=stands))


def eval_batches(
    videos: VideoSet,
    split: str | Int[np.ndarray, "video"],
    clip: ClipSpec,
    *,
    fold: int = 1,
    batch_size: int = 1,
    count: int = 0,
    seed: int = 0,
    shard: tuple[int, int] = (0, 1),
) -> Batches:
    """Evaluation batches: every video of a split once, as its evenly spaced clips of whole frames, or of their crops.

    Args:
      videos: a prepared data set, as its builder's `load` gives it.
      split: "train" or "test" of the `fold`, or rows of the data set's index.
      clip: how many frames a clip has, how many views a video, and how they are cut.
      fold: the official split that `split` is of, from 1.
      batch_size: videos of a batch, over all processes.
      count: videos that are tested, drawn over the classes by the `seed`; 0: all.
      seed: of that draw.
      shard: (number of this process, how many there are): its part of every batch is all that it reads.

    Returns:
      Batches of `clips` uint8 [batch, view, time, height, width, 3], `label` as in training, `row` int32 [batch],
      `valid` bool [batch], and why a video is `missing`, as `reading.reason_of_row` tells. The last batch of each frame
      size is filled up with videos that are not `valid`, so that all batches of a size are alike; a video that cannot
      be read is not `valid` either.

    Raises:
      InputError: the clip's settings contradict each other, the data set does not have the fold or the split, or the
        batch cannot be shared by the processes.
    """
    rows = _checked_rows(videos, split, fold, clip, batch_size, shard)
    chosen = spread_over_classes(videos.index["label"], rows, count, seed) if count else rows
    (process, processes), local = shard, batch_size // shard[1]
    groups = grouped_by_size(videos, chosen, batch_size, None if cutter(clip) else clip.test_size)

    def example(i: int) -> dict[str, Any]:
        batch, member = divmod(i, local)
        row, valid = groups[batch * batch_size + process * local + member]
        clips, missing = _read_or_black(videos, row, clip)
        packed = {"row": np.int32(row), "valid": valid and not missing, "missing": pack_reason(missing)}
        return {"clips": clips, "label": label_of(videos, row), **packed}

    dataset = grain.MapDataset.range(len(groups) // processes).map(example).batch(local)
    return Batches(dataset, len(dataset), videos.index["name"], len(rows))


def read_ahead(
    batches: Batches, *, start: int = 0, stop: int | None = None, workers: int = 2, processes: int = 0
) -> grain.IterDataset:
    """Iterates over batches `start` to `stop` in order while threads or processes prepare the next ones.

    Threads share Python's lock, and more than two seldom help; processes take seconds to start.

    Memory: the bytes of a batch times the batches that are ready or under way (as many as workers, at least two; two
    for each process) and the one in use; and for each worker or process one video's bytes and the decoded frames of
    one clip (in testing: of all its clips).

    Args:
      batches: of `train_batches` or `eval_batches`.
      start: number of the first batch.
      stop: number of the first batch that is not read; None: `len(batches)`.
      workers: threads, one batch each; 0: the main one.
      processes: how many processes read in place of the threads; 0: none.
    """
    dataset = batches.dataset.slice(slice(start, len(batches) if stop is None else stop))
    cv2.setNumThreads(1)  # the workers are the threads
    if not processes:
        ready = max(2, workers) if workers else 0
        return dataset.to_iter_dataset(grain.ReadOptions(num_threads=workers, prefetch_buffer_size=ready))
    flags.FLAGS.mark_as_parsed()  # grain asks them for its own settings
    alone = dataset.to_iter_dataset(grain.ReadOptions(num_threads=0, prefetch_buffer_size=0))
    options = grain.MultiprocessingOptions(num_workers=processes, per_worker_buffer_size=1)
    return alone.mp_prefetch(options, worker_init_fn=_begin_process).map(_without_a_name)


def _mixed(mix, seed, pairs, k, batch):
    return mix(batch, [np.random.default_rng([seed, MIX, k, pair]) for pair in pairs])


def _read_or_black(videos, row, clip):
    """The views of a video and "", or black ones and why it cannot be read."""
    try:
        return read_twice(lambda: read_views(open_video(videos, row), clip)), ""
    except FAILURES as error:
        size = short_edge_size(int(videos.index["height"][row]), int(videos.index["width"][row]), clip.test_size)
        black = np.zeros((clip.views, clip.frames, *size, 3), np.uint8)
        return crops_of(black, cutter(clip)), str(error) or type(error).__name__


def _checked_rows(videos, split, fold, clip, batch_size, shard):
    """The rows of a split, once the clip's settings and the batch's size are known to make sense."""
    check_clip(clip)
    if batch_size < 1 or batch_size % shard[1]:
        raise InputError(f"`batch_size` (={batch_size}) must be at least 1, and divisible by {shard[1]} processes")
    return split_rows(videos, fold, split) if isinstance(split, str) else split


def _without_a_name(batch):
    """The batch; its shared memory ends with its last user, JAX, which may be too late for grain to see to it."""
    for array in batch.values():
        if isinstance(array, grain.multiprocessing.SharedMemoryArray):
            array.shm.unlink()
            array._unlink_on_del = False  # which grain would do when the last user is gone
    return batch


def _begin_process(*_):
    """Ctrl-C reaches every process of a terminal's group; the one that trains decides what follows."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
