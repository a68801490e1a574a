"""`r3d_jax predict --out`: predictions of a list of videos in shards; those that are there are not done again."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from r3d_jax.cli.inputs import Named
from r3d_jax.cli.table import count_of
from r3d_jax.weights.trained import TrainedNetwork

SHARD = 100  # videos


def predict_shards(
    network: TrainedNetwork,
    named: Sequence[Named],
    out: Path,
    *,
    source: Path,
    checkpoint: str,
    shards: int,
    kind: str,
    top: int,
    threshold: float,
    reading: dict[str, Any],
    options: Any,
) -> int:
    """Writes the shards that are not there yet, and prints how many; the exit status: 1 if any video failed.

    Args:
      network: that predicts.
      named: the videos.
      out: where the shards are, and how their names begin.
      source, checkpoint: what the network is loaded from where another process predicts.
      shards: how many; 0: one for each SHARD videos.
      kind: "json" or "parquet".
      top, threshold: as `table.lines` takes them.
      reading: `views`, `batch_size`, `workers` and `dtype`, as `predict` takes them.
      options: of Beam, as `pipelines.options_of` gives them; None: this process predicts.

    Raises:
      InputError: `out` is of other predictions; the package that writes Parquet is missing; a worker has failed.
      OSError: the folder cannot be written to.
    """
    from r3d_jax.data.sources import digest_of
    from r3d_jax.inference.row_files import check_kind, claim, count_failed, shard_paths, shards_of
    from r3d_jax.inference.shards import Shard, predictor, write_shards

    check_kind(kind)
    videos = [(str(each.path), each.reason) for each in named]
    count = min(shards or -(-len(videos) // SHARD), len(videos))
    paths = shard_paths(out, count, kind)
    digest = digest_of("\n".join(path for path, _ in videos).encode())
    facts = {"network": str(source), "checkpoint": checkpoint, "videos": len(videos), "digest of their names": digest}
    facts |= {"shards": count, "format": kind, "top": top, "threshold": threshold}
    facts |= {name: reading[name] for name in ("views", "dtype")}
    claim(out, facts | {"classes": list(network.class_names)})
    left = [Shard(*each) for each in zip(paths, shards_of(videos, count)) if not each[0].exists()]
    print(f"{count - len(left):,} of {count:,} shards are there", file=sys.stderr, flush=True)
    which = {"reading": reading, "top": count_of(top, threshold, network.class_names), "threshold": threshold}
    if left and options:
        from r3d_jax.inference.shards_on_beam import write_shards_on_beam

        write_shards_on_beam(left, partial(predictor, partial(_load, source, checkpoint), **which), options)
    elif left:
        write_shards(left, partial(predictor, lambda: network, **which))
    failed = sum(map(count_failed, paths))
    print(f"{paths[0]}{' and so on' if count > 1 else ''}: predictions of {len(videos):,} videos")
    if failed:
        print(f"{failed:,} of {len(videos):,} videos failed", file=sys.stderr)
    return 1 if failed else 0


def _load(source, checkpoint):
    from r3d_jax.compiling import keep_programs
    from r3d_jax.weights.load import load

    keep_programs()
    return load(source, checkpoint)
