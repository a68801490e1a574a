import json

import pytest

from r3d_jax.inference.predict import predict, row_of
from r3d_jax.inference.shards import Shard, predictor, write_shards

READING = {"views": 0, "batch_size": 2, "workers": 1}


def test_a_shard_has_the_rows_of_its_videos_and_the_network_is_loaded_once(network, folder, tmp_path, capsys):
    names = [str(folder / name) for name in ("v0.avi", "v1.avi", "broken.avi", "v2.avi")]
    shards = [
        Shard(tmp_path / "0.jsonl", [(names[0], ""), ("gone.avi", "no such file"), (names[1], "")]),
        Shard(tmp_path / "1.jsonl", [(names[2], ""), (names[3], "")]),
    ]
    loaded = []
    write_shards(shards, lambda: predictor(lambda: loaded.append(0) or network, READING, 2, 0.0))
    assert loaded == [0] and capsys.readouterr().out.split() == [str(shard.path) for shard in shards]
    found = [json.loads(line) for shard in shards for line in shard.path.read_text().splitlines()]
    assert found.pop(1) == {"video": "gone.avi", "frames": 0, "error": "no such file"}
    for row, prediction in zip(found, predict(network, names, batch_size=2), strict=True):
        expected = row_of(prediction, network.class_names, 2)
        pairs, likeliest = row.pop("top", []), expected.pop("top", [])
        assert row == expected and [pair["class"] for pair in pairs] == [pair["class"] for pair in likeliest]
        assert [pair["probability"] for pair in pairs] == pytest.approx(
            [pair["probability"] for pair in likeliest], abs=1e-5
        )
