import json
import runpy
from pathlib import Path

import jax
import numpy as np
import pytest
from untrained import make_network

from r3d_jax.config import FinetuneConfig
from r3d_jax.data.batches import eval_batches
from r3d_jax.data.sampling import split_rows
from r3d_jax.errors import InputError
from r3d_jax.training import features, from_config, probe
from r3d_jax.training.evaluation import evaluate
from r3d_jax.training.loop import run
from r3d_jax.training.metrics_log import read
from r3d_jax.training.probe import PENALTIES, choose_penalty, nearest
from r3d_jax.weights import converted
from r3d_jax.weights.load import load

TINY = Path(__file__).parents[1] / "tiny.py"


def test_the_nearest_videos_by_angle_vote_and_of_equals_the_nearer_win():
    train = np.array([[1.0, 0], [5, 0.1], [0, 1], [0.1, 9], [3, 3]])
    labels = np.array([0, 0, 1, 1, 2])
    test = np.array([[100.0, 1], [1, 50], [2, 2.2]])
    assert nearest(train, labels, test, 1).tolist() == [0, 1, 2]
    assert nearest(train, labels, test, 3).tolist() == [0, 1, 1]
    assert nearest(train[:4], labels[:4], np.array([[1.0, 0.9]]), 4).tolist() == [0]


def overlapping(rng, count):
    """Clips of two classes on 40 features, of which one tells them apart, and not always."""
    labels = np.repeat([0, 1], count // 2)
    x = rng.normal(size=(count, 40))
    x[:, 0] += 2 * labels
    return x.astype(np.float32), labels


@pytest.mark.slow
def test_the_penalty_is_the_one_that_held_out_groups_call_for(rng):
    """Clips of a group are copies: were they torn apart, the smallest penalty would seem the best."""
    x, labels = overlapping(rng, 40)
    copies = np.repeat(np.arange(40), 3)
    whole, said = choose_penalty(x[copies], labels[copies], copies, 2, seed=0)
    torn, _ = choose_penalty(x[copies], labels[copies], np.arange(120), 2, seed=0)
    assert PENALTIES[whole] >= 0.1 and PENALTIES[torn] <= 0.01
    assert said.startswith("chosen on 5 folds of 40 groups (held-out clips: ")


def test_where_no_class_has_two_videos_the_penalty_is_the_usual_one(rng):
    x, labels = rng.normal(size=(2, 3)).astype(np.float32), np.array([0, 1])
    best, said = choose_penalty(x, labels, np.arange(2), 2, seed=0)
    assert PENALTIES[best] == 0.01 and said == "the usual one: no class has two videos"


@pytest.fixture
def config(demo_videos, data_dir, tmp_path):
    """tests/tiny.py as a probe of a random network, on a quarter of the demo's training videos."""
    config = runpy.run_path(str(TINY))["get_config"]()
    converted.write(tmp_path / "source.safetensors", make_network(), "classyvision")
    config.data.data_dir, config.model = str(data_dir), type(config.model)(pool=(0, 0, 0))
    config.finetune = FinetuneConfig(source=str(tmp_path / "source.safetensors"), probe=True)
    config.train.epochs, config.train.batch_size, config.train.videos_per_epoch = 2, 8, 120
    config.eval.videos, config.eval.every = 0, 2
    return config


@pytest.mark.slow
def test_a_probe_is_a_run_like_any_other(config, demo_videos, devices, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "run"
    monkeypatch.setattr(probe, "PENALTIES", (1e-3,))  # of noise, the largest one would be chosen: no weights to compare
    assert run(config, folder, devices) == 0
    printed = capsys.readouterr().out
    (row,) = read(folder)
    assert row["kind"] == "eval" and row["step"] == 30 and row["epoch"] == 2 and row["videos"] == 128
    network, source = load(folder), make_network()
    for kind in ("params", "batch_stats"):
        assert all(
            jax.tree.leaves(
                jax.tree.map(np.array_equal, network.variables[kind]["trunk"], source.variables[kind]["trunk"])
            )
        )
    tests = eval_batches(demo_videos, "test", config.clip, batch_size=8)
    whole = evaluate(network.model, network.variables, tests, devices=devices)
    for name, value in whole.items():
        assert row[name] == pytest.approx(value, abs=1.5 / 128), name
    assert whole["loss"] == pytest.approx(row["loss"], rel=1e-4)
    assert "head of 8 features on 240 clips of 212 videos: penalty " in printed
    assert ", chosen on 5 folds of 32 groups (held-out clips: " in printed
    assert f"to compare with: 5 nearest neighbours {row['knn_top1']:.2%} of 128 videos" in printed
    assert f"epoch 2 test: video-level top-1 {row['video_top1']:.2%}" in printed

    monkeypatch.setattr(features, "pmap", None)  # the features are there: nothing is computed
    assert run(config, folder, devices) == 0
    again = capsys.readouterr().out
    assert "This run is finished (2 epochs)" in again and f"test: video-level top-1 {row['video_top1']:.2%}" in again
    assert f"to compare with: 5 nearest neighbours {row['knn_top1']:.2%} of 128 videos" in again


@pytest.mark.slow
def test_a_probe_that_is_stopped_goes_on_with_what_it_has(config, devices, tmp_path, capsys, monkeypatch):
    folder, taken = tmp_path / "run", []
    write = features._write

    def stop(*arguments):
        write(*arguments)
        taken.append(arguments)
        if len(taken) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(features, "SECONDS", 0)
    monkeypatch.setattr(features, "_write", stop)
    with pytest.raises(KeyboardInterrupt):
        run(config, folder, devices)
    assert not read(folder) and len(list((folder / "features" / "train").glob("*.npz"))) == 3
    assert json.loads((folder / "config.json").read_text())["finetune"]["probe"]
    capsys.readouterr()
    assert run(config, folder, devices) == 0
    assert len(taken) == 30 + 32  # batches of training and of testing
    assert load(folder).class_names


@pytest.mark.slow
def test_videos_that_cannot_be_read_are_missing_and_too_many_end_the_run(
    config, demo_videos, devices, tmp_path, capsys, monkeypatch
):
    class Damaged:
        def __init__(self, rows):
            self.rows = rows

        def __len__(self):
            return len(demo_videos.records)

        def __getitem__(self, row):
            return demo_videos.records[row] | ({"video": b"gone"} if row in self.rows else {})

    train, test = (split_rows(demo_videos, 1, split) for split in ("train", "test"))
    config.train.epochs, config.train.videos_per_epoch, config.data.max_broken = 1, 0, 0.02
    some = demo_videos._replace(records=Damaged({*train[:2].tolist(), test[5]}))
    monkeypatch.setattr(from_config, "load_videos", lambda _: some)
    assert run(config, tmp_path / "run", devices) == 0
    printed = capsys.readouterr().out
    assert printed.count("others of its class take its place") == 2 and "on 510 clips of 510 videos" in printed
    assert "1 test videos cannot be read and are not counted:\n  v_" in printed and "(1 missing)" in printed
    many = demo_videos._replace(records=Damaged(set(train[:40].tolist())))
    monkeypatch.setattr(from_config, "load_videos", lambda _: many)
    with pytest.raises(InputError, match=r"1\d of the training videos cannot be read, more than `max_broken` allows"):
        run(config, tmp_path / "other", devices)
