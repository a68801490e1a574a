import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from r3d_jax.errors import InputError
from r3d_jax.inference.features import VideoFeatures
from r3d_jax.inference.features_formats import writer_of

SECONDS = np.array([0, 0.5])
VIEWS = [VideoFeatures(f"é{i}.avi", 5 + i, SECONDS, np.arange(6, dtype=np.float32).reshape(2, 3) + i) for i in range(3)]
MEANS = [each._replace(features=each.features.mean(0)) for each in VIEWS]


@pytest.mark.parametrize("each_view, videos", [(True, VIEWS), (False, MEANS)])
def test_a_numpy_file_holds_plain_arrays(tmp_path, each_view, videos):
    path = tmp_path / "a.npz"
    facts = {"each_view": each_view, "source": "runs/é"}
    writer_of(path)(path, iter(videos), 3, facts)
    with np.load(path) as file:
        np.testing.assert_array_equal(file["features"], np.concatenate([np.atleast_2d(v.features) for v in videos]))
        assert file["features"].dtype == np.float32 and json.loads(str(file["facts"])) == facts
        each = 2 if each_view else 1
        assert file["video"].tolist() == [v.video for v in videos for _ in range(each)]
        assert file["frames"].tolist() == [v.frames for v in videos for _ in range(each)]
        if each_view:
            assert file["view"].tolist() == [0, 1] * 3 and file["seconds"].tolist() == [0, 0.5] * 3
        assert len(file.files) == (6 if each_view else 4)
    assert zipfile.ZipFile(path).testzip() is None


@pytest.mark.parametrize("each_view, videos", [(True, VIEWS), (False, MEANS)])
def test_a_parquet_file_holds_the_same_in_groups(tmp_path, each_view, videos, monkeypatch):
    from pyarrow import parquet

    monkeypatch.setattr("r3d_jax.inference.features_formats.ROWS", 2)
    writer_of(tmp_path / "a.npz")(tmp_path / "a.npz", iter(videos), 3, {"each_view": each_view})
    path = tmp_path / "a.parquet"
    writer_of(path)(path, iter(videos), 3, {"each_view": each_view})
    table = parquet.read_table(path)
    assert parquet.ParquetFile(path).num_row_groups == 2
    assert json.loads(table.schema.metadata[b"r3d_jax"]) == {"each_view": each_view}
    with np.load(tmp_path / "a.npz") as file:
        assert set(table.column_names) == set(file.files) - {"facts"}
        for name in table.column_names:
            assert table[name].to_pylist() == file[name].tolist()


def test_other_names_and_a_missing_package_are_refused(monkeypatch):
    with pytest.raises(InputError, match=r"^a\.csv must be called \*\.npz or \*\.parquet$"):
        writer_of(Path("a.csv"))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"Parquet is written by the package pyarrow.*pip install pyarrow, or name a"):
        writer_of(Path("a.parquet"))
