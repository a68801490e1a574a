"""What a file of features is written as: NumPy's archive of arrays, or Parquet."""

import json
import zipfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from r3d_jax.errors import InputError
from r3d_jax.inference.features import VideoFeatures

ROWS = 1024  # videos of a group in a Parquet file


def writer_of(out: Path) -> Callable[[Path, Iterator[VideoFeatures], int, dict[str, Any]], None]:
    """The function that writes a file called so: of its path, the videos, how many they are, and facts about them all.

    The facts, which JSON can carry, have `each_view`; every video has features of one length, and as many views.

    Raises:
      InputError: `out` is called otherwise, or the package that writes Parquet is not installed.
    """
    if out.suffix == ".npz":
        return _write_npz
    if out.suffix != ".parquet":
        raise InputError(f"{out} must be called *.npz or *.parquet")
    check_parquet("name a file called *.npz")
    return _write_parquet


def check_parquet(otherwise: str) -> None:
    """Refuses Parquet where the package that writes it is missing.

    Args:
      otherwise: what can be done without it, for the message.

    Raises:
      InputError: it is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"Parquet is written by the package pyarrow, which is not installed: pip install pyarrow, or {otherwise}"
        ) from error


def _columns(each: VideoFeatures, each_view):
    """The columns of a video's rows."""
    rows = np.atleast_2d(each.features)
    columns = {"video": [each.video] * len(rows), "frames": [each.frames] * len(rows)}
    if each_view:
        columns |= {"view": list(range(len(rows))), "seconds": each.seconds.tolist()}
    return columns | {"features": rows}


def _write_npz(path, entries, count, facts):
    """As `np.savez` does, but for the features, which go from file to file one video after the other."""
    columns: dict[str, list] = {}
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("features.npy", "w", force_zip64=True) as file:
            for i, each in enumerate(entries):
                found = _columns(each, facts["each_view"])
                rows = found.pop("features")
                if i == 0:
                    header = {"descr": "<f4", "fortran_order": False, "shape": (count * len(rows), rows.shape[1])}
                    np.lib.format.write_array_header_1_0(file, header)
                file.write(rows.tobytes())
                for name, values in found.items():
                    columns.setdefault(name, []).extend(values)
        for name, values in {**columns, "facts": json.dumps(facts)}.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.array(values), allow_pickle=False)


def _write_parquet(path, entries, count, facts):
    del count
    import pyarrow
    from pyarrow import parquet

    writer = None
    with path.open("wb") as file:
        while some := list(islice(entries, ROWS)):
            parts = [_columns(each, facts["each_view"]) for each in some]
            columns = {name: [value for part in parts for value in part[name]] for name in parts[0]}
            flat = pyarrow.array(np.concatenate(columns["features"]))
            columns["features"] = pyarrow.FixedSizeListArray.from_arrays(flat, len(columns["features"][0]))
            table = pyarrow.table(columns, metadata={"r3d_jax": json.dumps(facts)})
            writer = writer or parquet.ParquetWriter(file, table.schema)
            writer.write_table(table)
        writer.close()
