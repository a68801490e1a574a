"""Videos of several labels from a table to predictions, through main.py and the commands."""

import csv
import json
import re

import numpy as np
import pytest
from videos import encode

import r3d_jax
from r3d_jax.cli.main import main as command
from r3d_jax.training.metrics_log import read

CONFIG = """
from r3d_jax.config import *
from r3d_jax.video.clips import ClipSpec

def get_config():
    return Config(
        data=DataConfig("video_folder", multi_label=True, test_share=0.3, workers=1),
        clip=ClipSpec(frames=4, train_sizes=(16, 18), crop=16, flip=0.0, test_size=16, views=2),
        model=ModelConfig(blocks=(1,), planes=4, stem_planes=8, pool=(0, 0, 0)),
        optim=OptimConfig(schedule="cosine", learning_rates=(0.2, 0.002)),
        train=TrainConfig(epochs=3, batch_size=8, log_every=6, checkpoint_minutes=9),
        eval=EvalConfig(every=2, batch_size=4),
    )
"""


def draw(rng, moving, bright):
    """A square that moves or does not, on a bright ground or a dark one."""
    frames = rng.integers(0, 30, (6, 24, 32, 3), np.uint8) + np.uint8(100 * bright)
    left, top = rng.integers(0, 8), rng.integers(0, 16)
    for i, frame in enumerate(frames):
        at = left + 4 * i * moving
        frame[top : top + 8, at : at + 8] = 255
    return encode(frames)


@pytest.fixture(scope="module")
def made(tmp_path_factory, main_here):
    """(folder with videos, their table, a configuration and the run on it, what was printed)."""
    folder, rng, rows = tmp_path_factory.mktemp("several"), np.random.default_rng(0), ["path,labels"]
    for i in range(40):
        moving, bright = i % 2, i // 2 % 2
        (folder / f"v{i}.avi").write_bytes(draw(rng, moving, bright))
        rows.append(f"v{i}.avi,{';'.join(['moving'] * moving + ['bright'] * bright)}")
    (folder / "labels.csv").write_text("\n".join(rows))
    (folder / "config.py").write_text(CONFIG)
    return folder, *trained(main_here, folder, "run")


def trained(main_here, folder, run, *settings):
    flags = [f"--config={folder}/config.py", f"--config.data.source={folder}/labels.csv", f"--workdir={folder}/{run}"]
    status, printed = main_here(*flags, f"--config.data.data_dir={folder}/data", *settings)
    assert status == 0, printed
    return folder / run, printed


@pytest.mark.slow
def test_training_finds_what_happens_together(made):
    _, run, printed = made
    rows = [row for row in read(run) if row["kind"] == "eval"]
    assert rows[-1]["map"] > 0.85 and rows[-1]["videos"] == 12  # by chance 0.5
    assert f"epoch 3 test: video-level mAP {rows[-1]['map']:.2%} of 12 videos; loss {rows[-1]['loss']:.4f}" in printed
    assert "10 of the 40 videos in" in printed
    best = max(rows, key=lambda row: row["map"])["step"]
    assert (run / "checkpoints" / "best" / str(best)).is_dir()
    assert json.loads((run / "network.json").read_text())["heads"][0]["activation"] == "sigmoid"


@pytest.mark.slow
def test_predictions_are_the_classes_above_a_threshold(made, capsys):
    folder, run, _ = made
    videos = [folder / f"v{i}.avi" for i in (0, 1, 2, 3)]
    probabilities = np.array([each.probabilities for each in r3d_jax.predict(r3d_jax.load(run), videos)])
    assert not np.allclose(probabilities.sum(1), 1, atol=0.05)
    for flags, least in (([], 0.5), (["--threshold", "0.2"], 0.2)):
        with pytest.raises(SystemExit) as ended:
            command(["predict", str(run), *map(str, videos), "--dtype=float32", *flags])
        found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert ended.value.code == 0
        for each, its in zip(found, probabilities):
            expected = {name: p for name, p in zip(("bright", "moving"), its) if p >= least}
            assert {top["class"]: top["probability"] for top in each["top"]} == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
def test_the_report_has_average_precisions_and_every_prediction(made, main_here):
    folder, run, _ = made
    status, printed = main_here(f"--workdir={run}", "--mode=evaluate")
    last = [row for row in read(run) if row["kind"] == "eval"][-1]
    assert status == 0 and f"video-level mAP {last['map']:.2%} of 12 videos, over 2 classes" in printed, printed
    table = list(csv.DictReader((run / "predictions.csv").read_text().splitlines()))
    labels = dict(line.split(",") for line in (folder / "labels.csv").read_text().splitlines()[1:])
    assert len(table) == 12
    for row in table:
        assert set(row["labels"].split(";")) == set(labels[row["video"]].split(";"))
        above = {row[f"class{i}"] for i in (1, 2) if float(row[f"probability{i}"]) >= 0.5}
        assert set(row["predicted"].split(";")) - {""} == above
    assert float(np.mean([float(row["loss"]) for row in table])) == pytest.approx(last["loss"], abs=1e-3)
    page = (run / "report.html").read_text()
    assert "<!--" not in page and 'id="confusion"' not in page
    assert "video-level mAP" in page and "average precision" in page and "The worst videos" in page


@pytest.mark.slow
def test_clips_are_mixed_and_drawn(made, main_here):
    folder, *_ = made
    trained(
        main_here,
        folder,
        "mixed",
        "--config.augment.mixup=0.8",
        "--config.augment.cutmix=1.0",
        "--config.train.epochs=1",
    )
    trained(main_here, folder, "drawn", "--config.augment.mixup=0.8", "--mode=clips")
    assert (folder / "drawn" / "clips.png").exists()


@pytest.mark.slow
def test_a_network_of_one_label_starts_one_of_several_with_a_new_head(made, main_here):
    folder, run, _ = made
    (folder / "one.csv").write_text("".join(f"v{i}.avi,{('bright', 'moving')[i % 2]}\n" for i in range(40)))
    one = [f"--config.data.source={folder}/one.csv", "--config.data.multi_label=False", "--config.train.epochs=1"]
    trained(main_here, folder, "one", *one)
    with_it = ["--config.train.epochs=1", f"--config.finetune.source={folder}/one"]
    _, printed = trained(main_here, folder, "after", *with_it)
    assert "reset: the head (2 classes at " in printed  # though the names of the classes are the same
    assert r3d_jax.load(folder / "after").multi_label and not r3d_jax.load(folder / "one").multi_label
    _, printed = trained(main_here, folder, "again", *with_it[:1], f"--config.finetune.source={run}")
    assert "reset: nothing" in printed
    flags = [f"--config={folder}/config.py", f"--workdir={folder}/none", f"--config.finetune.source={folder}/one"]
    where = [f"--config.data.source={folder}/labels.csv", f"--config.data.data_dir={folder}/data"]
    status, printed = main_here(*flags, *where, "--mode=evaluate")
    assert status == 1 and "have several labels, and the network's classes exclude each other" in printed


def test_other_data_sets_have_one_label(main_here, tmp_path):
    flags = ["--config=tests/tiny.py", "--config.data.multi_label=True", f"--workdir={tmp_path}/run"]
    status, printed = main_here(*flags)
    assert status == 1 and re.search(r"`data.multi_label` .=True. is for a table of your own", printed), printed
