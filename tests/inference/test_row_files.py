import json
import sys

import pytest

from r3d_jax.errors import InputError
from r3d_jax.inference.row_files import check_kind, claim, count_failed, shard_paths, shards_of, write_rows

ROWS = [
    {
        "video": "a.avi",
        "frames": 9,
        "top": [{"class": "rün", "probability": 0.75}, {"class": "sit", "probability": 0.25}],
    },
    {"video": "b.avi", "frames": 0, "error": "no such file"},
]


def test_shards_are_named_by_their_number_and_share_what_there_is(tmp_path):
    paths = shard_paths(tmp_path / "p.x", 2, "json")
    assert [path.name for path in paths] == ["p.x-00000-of-00002.jsonl", "p.x-00001-of-00002.jsonl"]
    parts = shards_of(range(11), 4)
    assert [list(part) for part in parts] == [[0, 1], [2, 3, 4], [5, 6, 7], [8, 9, 10]]


def test_json_lines_are_the_rows(tmp_path):
    path = tmp_path / "p.jsonl"
    write_rows(path, iter(ROWS))
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == ROWS
    assert "rün" in path.read_text(encoding="utf-8") and count_failed(path) == 1


def test_a_row_that_fails_leaves_no_file(tmp_path):
    with pytest.raises(ZeroDivisionError):
        write_rows(tmp_path / "p.jsonl", (1 / 0 for _ in range(1)))
    assert not list(tmp_path.iterdir())


def test_parquet_has_a_column_for_each_thing(tmp_path):
    from pyarrow import parquet

    path = tmp_path / "p.parquet"
    write_rows(path, ROWS)
    assert parquet.read_table(path).to_pylist() == [
        {"video": "a.avi", "frames": 9, "classes": ["rün", "sit"], "probabilities": [0.75, 0.25], "error": ""},
        {"video": "b.avi", "frames": 0, "classes": [], "probabilities": [], "error": "no such file"},
    ]
    assert count_failed(path) == 1


def test_parquet_without_its_package_is_refused(monkeypatch):
    check_kind("json")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"Parquet is written by the package pyarrow.*pip install pyarrow"):
        check_kind("parquet")


def test_shards_of_something_else_are_not_gone_on_with(tmp_path):
    claim(tmp_path / "p", {"videos": 3, "top": 5})
    claim(tmp_path / "p", {"videos": 3, "top": 5})
    with pytest.raises(InputError, match=r"p.json is of other predictions \(videos, top\): name another `out`"):
        claim(tmp_path / "p", {"videos": 4, "top": 3})
