"""Predictions in files: JSON lines or Parquet, in shards that are written whole or not at all."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from r3d_jax.errors import InputError
from r3d_jax.files import whole, write_text
from r3d_jax.inference.features_formats import check_parquet

SUFFIXES = {"json": ".jsonl", "parquet": ".parquet"}


def shard_paths(out: Path, count: int, kind: str) -> list[Path]:
    """The files of `count` shards: OUT-00000-of-00010.jsonl and so on.

    Args:
      out: where they are, and how their names begin.
      kind: "json" or "parquet".
    """
    return [out.with_name(f"{out.name}-{i:05d}-of-{count:05d}{SUFFIXES[kind]}") for i in range(count)]


def shards_of(items: Sequence[Any], count: int) -> list[Sequence[Any]]:
    """The items in `count` parts, in their order and as equal as can be."""
    return [items[len(items) * i // count : len(items) * (i + 1) // count] for i in range(count)]


def claim(out: Path, facts: dict[str, Any]) -> None:
    """Writes to OUT.json what the shards are of, or makes sure that those which are there are of the same.

    Raises:
      InputError: they are of something else.
      OSError: the folder cannot be written to.
    """
    path = out.with_name(f"{out.name}.json")
    if not path.exists():
        return write_text(path, json.dumps(facts, indent=2) + "\n")
    there = json.loads(path.read_text(encoding="utf-8"))
    if other := [name for name, value in facts.items() if there.get(name) != value]:
        raise InputError(
            f"{path} is of other predictions ({', '.join(other)}): name another `out`, or remove its files"
        )


def check_kind(kind: str) -> None:
    """Refuses Parquet where the package that writes it is missing.

    Raises:
      InputError: it is not installed.
    """
    if kind == "parquet":
        check_parquet("leave it at JSON lines")


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Writes the rows that `predict.row_of` makes as JSON lines or, to *.parquet, as columns.

    The columns are `video`, `frames`, `classes` and `probabilities`, which are lists, and `error`, empty where there is
    none.

    Raises:
      OSError: the folder cannot be written to.
    """
    with whole(path) as unfinished:
        if path.suffix == SUFFIXES["parquet"]:
            _write_parquet(unfinished, list(rows))
        else:
            with unfinished.open("w", encoding="utf-8") as file:
                file.writelines(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)


def count_failed(path: Path) -> int:
    """How many rows of a file have an error.

    Raises:
      OSError: there is no such file, or it cannot be read.
    """
    if path.suffix == SUFFIXES["parquet"]:
        from pyarrow import parquet

        return sum(1 for error in parquet.read_table(path, columns=["error"])["error"].to_pylist() if error)
    with path.open(encoding="utf-8") as file:
        return sum("error" in json.loads(line) for line in file)


def _write_parquet(path, rows):
    import pyarrow
    from pyarrow import parquet

    top = [row.get("top", []) for row in rows]
    texts, numbers = pyarrow.string(), pyarrow.float64()
    columns = {
        "video": ([row["video"] for row in rows], texts),
        "frames": ([row["frames"] for row in rows], pyarrow.int64()),
        "classes": ([[each["class"] for each in pairs] for pairs in top], pyarrow.list_(texts)),
        "probabilities": ([[each["probability"] for each in pairs] for pairs in top], pyarrow.list_(numbers)),
        "error": ([row.get("error", "") for row in rows], texts),
    }
    table = pyarrow.table({name: pyarrow.array(values, kind) for name, (values, kind) in columns.items()})
    parquet.write_table(table, path)
