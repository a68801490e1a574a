"""What a user does and sees, through main.py alone: the demo from nothing, and what bad input gets."""

import json
import re
import shutil
from functools import partial
from pathlib import Path

import jax
import matplotlib.image
import numpy as np
import pytest
from seeded import GOLDEN
from trunks import FAST

import r3d_jax
from r3d_jax.data.batches import eval_batches
from r3d_jax.data.sampling import split_rows
from r3d_jax.files import occupied
from r3d_jax.training.metrics_log import read
from r3d_jax.weights.convert import convert

TINY = Path(__file__).parent / "tiny.py"


@pytest.fixture(scope="module")
def demo(main, data_dir, demo_videos, tmp_path_factory):
    """The README's demo command in three quarters of its epochs: the run folder and what it printed."""
    run = tmp_path_factory.mktemp("runs") / "demo"
    fewer = ("--config.train.epochs=6", "--config.optim.milestones=(5,)", "--config.eval.every=6")
    status, printed = main(
        "--config=configs/demo.py", f"--workdir={run}", f"--config.data.data_dir={data_dir}", *fewer, XLA_FLAGS=""
    )
    assert status == 0, printed
    return run, printed


@pytest.mark.slow
def test_the_demo_tells_motions_apart(demo):
    run, printed = demo
    last = [row for row in read(run) if row["kind"] == "eval"][-1]
    assert last["videos"] == 128 and last["clips"] == 1280
    assert last["video_top1"] >= 0.7  # chance is 0.125; four seeds gave 0.94 to 1
    assert re.search(r"epoch 6 test: video-level top-1 [\d.]+%, top-5 .* of 128 videos; clip-level top-1", printed)


@pytest.mark.slow
def test_the_demo_is_at_a_loss_when_frames_are_shuffled(demo, demo_videos):
    loaded = r3d_jax.load(demo[0])
    rows = split_rows(demo_videos, 1, "test")[::4]
    batches = eval_batches(demo_videos, rows, loaded.clip, batch_size=32)
    predict = jax.jit(partial(r3d_jax.predict_fn, model=loaded.model), compiler_options=FAST)
    rng = np.random.default_rng(0)
    right = {"in order": 0, "shuffled": 0}
    for k in range(len(batches)):
        clips, label = batches[k]["clips"], batches[k]["label"]
        shuffled = np.stack([[clip[rng.permutation(8)] for clip in video] for video in clips])
        for name, each in (("in order", clips), ("shuffled", shuffled)):
            right[name] += int((predict(loaded.variables, each).argmax(-1) == label).sum())
    assert right["in order"] >= 0.7 * len(rows)
    assert right["shuffled"] < 0.3 * len(rows)


@pytest.mark.slow
def test_a_run_folder_holds_all_that_is_promised(demo):
    run, _ = demo
    config = json.loads((run / "config.json").read_text())
    assert config["data"]["name"] == "demo" and config["train"]["seed"] == 0
    assert (run / "classes.txt").read_text().split()[:2] == ["walk_right", "walk_left"]
    assert {row["kind"] for row in read(run)} == {"train", "eval"}
    assert list((run / "tensorboard").glob("events*"))
    assert matplotlib.image.imread(run / "curves.png").shape[2] == 4
    assert (run / "checkpoints" / "last" / "192").is_dir() and list((run / "checkpoints" / "best").iterdir())
    train = [row for row in read(run) if row["kind"] == "train"]
    assert {"loss", "accuracy", "learning_rate", "clips_per_second", "data_wait", "epoch"} <= set(train[0])
    assert train[0]["learning_rate"] == pytest.approx(0.05) and train[-1]["learning_rate"] == pytest.approx(0.005)


@pytest.mark.slow
def test_its_end_names_the_folder_and_what_to_do_next(demo):
    run, printed = demo
    *_, where, following = printed.splitlines()
    assert where == f"{run}: checkpoints, metrics.jsonl, curves.png"
    assert f"predict {run} {run}/videos; " in following and f"train --workdir {run} --mode evaluate" in following
    assert [path.name for path in sorted((run / "videos").iterdir())] == [
        "v_stagger_left_g05_c00.avi",
        "v_walk_left_g05_c00.avi",
    ]


@pytest.mark.slow
def test_three_lines_use_a_trained_run(demo, demo_videos):
    run, _ = demo
    model, variables, class_names, clip = r3d_jax.load(run)
    clips = eval_batches(demo_videos, "test", clip, batch_size=4)[0]["clips"]
    predict = jax.jit(partial(r3d_jax.predict_fn, model=model))
    logits = predict(variables, clips)

    assert logits.shape == (4, 8) and len(class_names) == 8
    best = r3d_jax.load(run, "best").variables
    assert jax.tree.structure(best) == jax.tree.structure(variables)


@pytest.fixture
def tiny(main_here, data_dir, demo_videos, tmp_path):
    return partial(main_here, f"--config={TINY}", f"--config.data.data_dir={data_dir}", f"--workdir={tmp_path / 'run'}")


def test_the_denominator_of_a_drawn_test_set_is_printed(tiny_run):
    assert "of 5 videos (drawn from 128); clip-level" in tiny_run[1]


def test_a_config_file_with_an_unknown_field_gets_one_message(main_here, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("from r3d_jax.config import *\ndef get_config():\n    return Config(train=TrainConfig(epoch=3))\n")
    refused(main_here(f"--config={file}", f"--workdir={tmp_path / 'run'}"), "unexpected keyword argument 'epoch'")


def refused(outcome, *parts):
    """One message, no stack trace."""
    status, printed = outcome
    assert status in (1, 2), printed
    assert "Traceback" not in printed and "error: " in printed
    for part in parts:
        assert part in printed


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--config.train.epoch=3"], "no config field 'train.epoch'; `train` has epochs, batch_size"),
        (["--config.train.epochs=many"], "invalid literal for int() with base 10: 'many'"),
        (["--config.train.batch_size=5"], "`train.batch_size` (=5) must be divisible by the 2 devices; try 4"),
        (["--config.clip.train_sizes=(40,40)", "--config.clip.crop=40"], "a training clip must pool to one cell"),
        (
            [
                "--config.clip.test_size=8",
                "--config.model.pool=(2,8,8)",
                "--config.clip.crop=32",
                "--config.clip.train_sizes=(32,32)",
            ],
            "--config.model.pool (=(2, 8, 8)) is larger than the (2, 2, 2) grid",
        ),
        (["train"], "unknown argument 'train'"),
        (["--mode=draw"], "invalid choice: 'draw'"),
        (["--config", "configs/none.py"], "no config file 'configs/none.py'; there are "),
    ],
)
def test_bad_settings_get_one_message(tiny, arguments, message):
    refused(tiny(*arguments), message)


@pytest.mark.slow
def test_a_data_folder_without_split_files_gets_one_message(main_here, tmp_path):
    (tmp_path / "UCF-101" / "Archery").mkdir(parents=True)
    (tmp_path / "UCF-101" / "Archery" / "v_Archery_g01_c01.avi").write_bytes(b"")
    flags = (f"--config.data.source={tmp_path}", f"--config.data.data_dir={tmp_path}", f"--workdir={tmp_path / 'run'}")
    refused(main_here("--config=configs/ucf101.py", *flags), "no split files (classInd.txt", "--config.data.splits")


@pytest.mark.slow
def test_no_data_and_no_network_gets_one_message(main_here, tmp_path, monkeypatch):
    flags = (f"--config.data.data_dir={tmp_path}", f"--workdir={tmp_path / 'run'}")
    unrar = tmp_path / "bin" / "unrar"
    unrar.parent.mkdir()
    unrar.write_text("#!/bin/sh\n")
    unrar.chmod(0o755)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("PATH", f"{unrar.parent}:/usr/bin:/bin")
    refused(
        main_here("--config=configs/ucf101.py", *flags),
        "UCF-101 cannot be downloaded",
        "--config.data.source",
        "configs/demo.py",
    )


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--config.model.planes=8", "model.planes: 4 there, 8 now"),
        ("--config.train.batch_size=8", "train.batch_size: 4 there, 8 now"),
    ],
)
def test_a_workdir_with_another_run_is_refused_and_left_alone(tiny, tiny_run, tmp_path, flag, message):
    shutil.copytree(tiny_run[0], tmp_path / "run")
    refused(tiny(flag), "holds a run with another configuration", message, "use another --workdir")
    assert (tmp_path / "run" / "config.json").read_text() == (tiny_run[0] / "config.json").read_text()


def test_a_workdir_with_other_classes_is_refused(tiny, tiny_run, tmp_path):
    shutil.copytree(tiny_run[0], tmp_path / "run")
    (tmp_path / "run" / "classes.txt").write_text("Archery\nBowling\n")
    refused(tiny(), "holds a run with other classes (2 there, 8 now")


@pytest.mark.slow
def test_a_finished_run_is_tested_again_and_says_so(tiny, tiny_run, tmp_path):
    shutil.copytree(tiny_run[0], tmp_path / "run")
    before = (tmp_path / "run" / "metrics.jsonl").read_text()
    status, again = tiny()
    assert status == 0 and "This run is finished (3 epochs)" in again
    result = re.search(r"epoch 3 test: (.*); loss", tiny_run[1])[1]
    assert f"test: {result}" in again
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == before


@pytest.mark.slow
def test_a_run_starts_from_published_weights_with_a_frozen_trunk(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("R3D_JAX_HOME", str(tmp_path))
    source = tmp_path / "r3d_18_k400.safetensors"  # as if it had been downloaded and converted
    convert(GOLDEN / "classyvision_checkpoint.torch", source)
    flags = [f"--config.model.{name}" for name in ("blocks=()", "planes=0", "stem_planes=0", "pool=(0,0,0)")]
    flags += ["--config.finetune.source=r3d_18_k400", "--config.finetune.freeze_trunk=True"]
    status, printed = tiny(*flags, "--config.train.epochs=1")
    assert status == 0, printed
    assert "Starting from r3d_18_k400\n  loaded: the trunk (" in printed
    assert "reset: the head (8 classes at pathway0-stage2-block1-relu)" in printed
    assert "skipped: late at pathway0-stage2-block1-relu (3 classes), early at pathway0-stage1-block0 (2" in printed
    there, here = r3d_jax.load(source), r3d_jax.load(tmp_path / "run")
    assert here.model.trunk == there.model.trunk and here.class_names[0] == "walk_right"
    trunks = [{kind: tree["trunk"] for kind, tree in loaded.variables.items()} for loaded in (there, here)]
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, *trunks)))
    # Once begun, a run needs its source no more.
    source.unlink()
    status, printed = tiny(*flags, "--config.train.epochs=2")
    assert status == 0 and "Resuming" in printed and "Starting from" not in printed
    assert "train.epochs: 1 when the run was started, 2 now" in printed and "epoch 2 test:" in printed


def test_a_source_that_is_not_there_gets_one_message(tiny, tmp_path):
    refused(tiny(f"--config.finetune.source={tmp_path / 'none'}"), "no run, no converted and no exported network at")


def test_a_folder_without_a_run_cannot_be_loaded(tmp_path):
    with pytest.raises(ValueError, match=r"no run in .*; name a folder that training has made"):
        r3d_jax.load(tmp_path)


def test_a_run_without_a_checkpoint_cannot_be_loaded(tiny_run, tmp_path):
    shutil.copytree(tiny_run[0], tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints"))
    with pytest.raises(ValueError, match="has no last checkpoint yet"):
        r3d_jax.load(tmp_path / "run")
    with pytest.raises(ValueError, match=r"`checkpoint` .='first'. must be one of last, best"):
        r3d_jax.load(tmp_path / "run", "first")


@pytest.mark.slow
def test_the_best_checkpoint_is_reported_on(main_here, tiny_run, data_dir, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(tiny_run[0], run)
    flags = (f"--config={TINY}", f"--config.data.data_dir={data_dir}", "--mode=evaluate")
    with occupied(run):  # as by a process that trains
        status, printed = main_here(*flags, f"--workdir={run}", "--checkpoint=best")
    assert status == 0 and "video-level top-1 " in printed, printed
    best = max(row["video_top1"] for row in read(run) if row["kind"] == "eval")
    assert f"video-level top-1 {best:.2%} (95 % interval" in printed
    assert f"{run}/report.html: " in printed and (run / "predictions.csv").exists()
    refused(main_here(*flags, f"--workdir={tmp_path / 'none'}"), f"no run in {tmp_path / 'none'}; train one")
