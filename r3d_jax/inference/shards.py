"""Predictions of a long list of videos, a shard at a time, in this process or on the workers of Apache Beam."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from r3d_jax.inference.predict import make_predict, predict_known, row_of
from r3d_jax.inference.row_files import write_rows


class Shard(NamedTuple):
    """A part of a list of videos, and the file that its predictions go to.

    Attributes:
      path: of the file, as `row_files.shard_paths` names it.
      videos: of each its path, and why it cannot be one (empty: it may be).
    """

    path: Path
    videos: Sequence[tuple[str, str]]


def predictor(load: Callable[[], Any], reading: dict[str, Any], top: int, threshold: float) -> Callable[[Shard], Path]:
    """A function that writes a shard's file and returns its path; the network is loaded now, once for all shards.

    Args:
      load: gives the trained network.
      reading: `views`, `batch_size`, `workers` and `dtype`, as `predict` takes them.
      top, threshold: which classes a row has, as `row_of` takes them.
    """
    network = load()
    predict = make_predict(network, **reading)
    row = partial(row_of, class_names=network.class_names, top=top, threshold=threshold)

    def write(shard):
        write_rows(shard.path, map(row, predict_known(predict, shard.videos)))
        return shard.path

    return write


def write_shards(shards: Iterable[Shard], make: Callable[[], Callable[[Shard], Path]]) -> None:
    """Writes one shard after the other in this process.

    Args:
      make: makes what writes a shard, as `predictor` does.
    """
    for path in map(make(), shards):
        print(path, flush=True)
