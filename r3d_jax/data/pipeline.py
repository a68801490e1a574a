"""Records to batches; the only file that touches grain. Batch k is a function of k and the seed alone."""

from functools import lru_cache
from typing import Any

import grain
import numpy as np
from jaxtyping import Int

from r3d_jax.data.builder import VideoSet
from r3d_jax.data.clips import test_clips, train_clip
from r3d_jax.data.decode import read_frames
from r3d_jax.data.transforms import short_edge_size, test_transform, train_transform
from r3d_jax.errors import InputError


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
    stride: int,
    sizes: tuple[int, int],
    crop: int,
    flip: float,
) -> grain.MapDataset:
    """Endless: element k is training batch k, `clip` [batch, time, crop, crop, channel] uint8 and `label`.

    Every epoch shows `videos_per_epoch` of `rows` (0: all) in a new order, one random clip each; order and clips are
    drawn from (seed, epoch, place in the epoch).
    """
    per_epoch = videos_per_epoch or len(rows)
    places = steps_per_epoch(per_epoch, batch_size) * batch_size

    @lru_cache(maxsize=2)
    def order(epoch):
        return np.random.default_rng([seed, epoch]).permutation(rows)

    def example(i: int) -> dict[str, Any]:
        epoch, place = divmod(i, places)
        row = order(epoch)[place % per_epoch % len(rows)]
        rng = np.random.default_rng([seed, epoch, place])
        indices = train_clip(int(videos.index["num_frames"][row]), rng, frames=frames, stride=stride)
        clip = train_transform(_read(videos, row, indices), rng, sizes=sizes, crop=crop, flip=flip)
        return {"clip": clip, "label": videos.index["label"][row].astype(np.int32)}

    return grain.MapDataset.range(np.iinfo(np.int32).max).map(example).batch(batch_size)


def test_batches(
    videos: VideoSet,
    rows: Int[np.ndarray, "video"],
    *,
    batch_size: int,
    views: int,
    frames: int,
    stride: int,
    size: int,
) -> grain.MapDataset:
    """Every video of `rows` once, as `views` clips of the whole frame.

    An element holds `clips` [batch, view, time, height, width, channel] uint8, `label`, `row` and `valid`; the last
    batch of each frame size is filled up with videos that are not `valid`, so that all batches of a size are alike.
    """
    groups = _by_size(videos, rows, batch_size, size)

    def example(i: int) -> dict[str, Any]:
        row, valid = groups[i]
        num_frames = int(videos.index["num_frames"][row])
        indices = test_clips(num_frames, views=views, frames=frames, stride=stride)
        used, inverse = np.unique(indices, return_inverse=True)  # neighbouring clips share frames: resize them once
        clips = test_transform(_read(videos, row, used), size=size)[inverse.reshape(indices.shape)]
        return {"clips": clips, "label": videos.index["label"][row].astype(np.int32), "row": row, "valid": valid}

    return grain.MapDataset.range(len(groups)).map(example).batch(batch_size)


def read_ahead(dataset: grain.MapDataset, *, workers: int, batches: int = 2) -> grain.IterDataset:
    """Iterates in order while `workers` threads prepare the next `batches`."""
    options = grain.ReadOptions(num_threads=workers, prefetch_buffer_size=batches if workers else 0)
    return dataset.to_iter_dataset(options)


def spread_over_classes(
    labels: Int[np.ndarray, "video"], rows: Int[np.ndarray, "video"], count: int, seed: int
) -> Int[np.ndarray, "count"]:
    """`count` of `rows`, drawn by the seed, a first of every class before the second of any."""
    shuffled = np.random.default_rng(seed).permutation(rows)
    seen: dict[int, int] = {}
    turn = []
    for row in shuffled:
        turn.append(seen.get(int(labels[row]), 0))
        seen[int(labels[row])] = turn[-1] + 1
    return np.sort(shuffled[np.argsort(turn, kind="stable")][:count])


def _by_size(videos, rows, batch_size, size):
    """(row, valid) pairs in which every `batch_size` in a row have frames of one size once resized."""
    heights, widths = videos.index["height"][rows].tolist(), videos.index["width"][rows].tolist()
    sizes = [short_edge_size(height, width, size) for height, width in zip(heights, widths)]
    pairs = []
    for group in sorted(set(sizes)):
        members = [row for row, its in zip(rows, sizes) if its == group]
        pairs += [(row, True) for row in members]
        pairs += [(members[-1], False)] * (-len(members) % batch_size)
    return pairs


def _read(videos, row, indices):
    record = videos.records[int(row)]
    try:
        return read_frames(record["video"], indices, frame_per_packet=bool(videos.index["frame_per_packet"][row]))
    except ValueError as error:
        name = videos.index["name"][row]
        raise InputError(f"video {name}: {error}; prepare the data set again from a sound copy") from error
