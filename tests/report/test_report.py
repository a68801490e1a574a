"""The report of a run, as files and as what is printed; tests/report/test_page.py opens it."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import optax
import pytest
from untrained import CLASSES, CLIP, make_network
from videos import encode, frames_of

from r3d_jax.cli.settings import configure
from r3d_jax.config import Config, DataConfig
from r3d_jax.data.sampling import split_rows
from r3d_jax.errors import InputError
from r3d_jax.report import report as module
from r3d_jax.report.report import report
from r3d_jax.training.from_config import load_videos, make_eval_batches
from r3d_jax.training.metrics_log import read
from r3d_jax.training.state import first_state
from r3d_jax.video.clips import ClipSpec
from r3d_jax.weights.checkpoint import Checkpoints
from r3d_jax.weights.convert import convert
from r3d_jax.weights.run import claim


@pytest.mark.slow
def test_the_numbers_are_those_of_the_runs_own_test(tiny_run, tiny_config, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(tiny_run[0], run)
    assert report(tiny_config(eval__dtype="float32"), run) == 0  # as in training, on a CPU of shorter floats too
    printed = capsys.readouterr().out
    last = [row for row in read(run) if row["kind"] == "eval"][-1]
    for level in ("video", "clip"):
        for k in (1, 5):
            expected = f"{level}-level top-{k} {last[f'{level}_top{k}']:.2%} (95 % interval"
            assert expected in printed, (expected, printed)
        assert f"of {last[f'{level}s']:,} {level}s" in printed
    assert float(re.search(r"loss ([\d.]+)", printed)[1]) == pytest.approx(last["loss"], abs=2e-4)


def test_another_number_of_views_than_in_training_is_told(reported):
    assert "clip.views: 2 in training, 3 now" in reported[1]


def test_every_video_is_in_the_table(reported, predictions):
    run, _ = reported
    rows = predictions(run)
    assert len(rows) == 21 and len({row["video"] for row in rows}) == 21
    for row in rows:
        top = [float(row[f"probability{i}"]) for i in range(1, 6)]
        assert top == sorted(top, reverse=True) and not row["missing"]
        rank = int(row["rank_of_label"])
        if rank <= 5:
            assert row[f"class{rank}"] == row["label"]
            assert row[f"probability{rank}"] == row["probability_of_label"]
    right = np.mean([row["class1"] == row["label"] for row in rows])
    assert f"video-level top-1 {right:.2%}" in reported[1]


@pytest.mark.slow
def test_missing_videos_are_named(demo_videos, tiny_run, tiny_config, predictions, tmp_path, capsys, monkeypatch):
    run, config = tmp_path / "run", tiny_config(eval__videos=9)
    shutil.copytree(tiny_run[0], run)
    tested = np.concatenate([batch["row"] for batch in make_eval_batches(config, demo_videos, 2)])
    bad = int(tested.max())
    name, label = (demo_videos.index[column][bad] for column in ("name", "label"))

    class Damaged:
        def __getitem__(self, row):
            record = demo_videos.records[row]
            return record | {"video": b"gone"} if row == bad else record

    monkeypatch.setattr(module, "load_videos", lambda _: demo_videos._replace(records=Damaged()))
    assert report(config, run) == 0
    assert "1 test videos cannot be read and are not counted" in capsys.readouterr().out
    last = predictions(run)[-1]
    assert last["video"] == name and last["label"] == demo_videos.class_names[label] and last["missing"]
    page = (run / "report.html").read_text()
    assert f'<ul id="missing"><li>{name}: ' in page and "8 test videos (1 missing)" in page


@pytest.mark.slow
def test_a_converted_network_is_tested_without_a_run(tiny_run, tiny_config, tmp_path):
    convert(tiny_run[0], tmp_path / "tiny.safetensors")
    config = tiny_config(finetune__source=str(tmp_path / "tiny.safetensors"))
    assert report(config, tmp_path / "new") == 0
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"report.html", "predictions.csv"}


def test_the_type_of_activations_is_chosen_unless_it_is_named(tiny_run, tiny_config, monkeypatch):
    class Asked(Exception):
        pass

    def choose_dtype(_, wanted):
        raise Asked(wanted)

    monkeypatch.setattr(module, "choose_dtype", choose_dtype)
    for changes, expected in (
        ({}, "auto"),
        ({"train__dtype": "bfloat16"}, "bfloat16"),
        ({"eval__dtype": "float32"}, "float32"),
    ):
        with pytest.raises(Asked, match=expected):
            report(tiny_config(**changes), tiny_run[0])


def test_no_run_and_a_run_without_a_checkpoint(tiny_run, tiny_config, tmp_path):
    with pytest.raises(InputError, match=r"no run in .*nowhere; train one.*`workdir`.*`finetune.source`"):
        report(tiny_config(), tmp_path / "nowhere")
    for name in ("config.json", "classes.txt", "network.json"):
        shutil.copy(tiny_run[0] / name, tmp_path)
    with pytest.raises(InputError, match=r"has no last checkpoint yet; train it first"):
        report(tiny_config(), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "names, message",
    [
        (("a",) * 7, "the network tells 7 classes apart, but demo has 8; test it on"),
        (("run", *"bcdefgh"), "class 1 of the network is 'run', of demo 'walk_right'; name the classes as the data"),
    ],
)
def test_other_classes_than_the_datas_are_refused(tiny_run, tiny_config, tmp_path, monkeypatch, names, message):
    network = module.load(tiny_run[0])._replace(class_names=names)
    monkeypatch.setattr(module, "load", lambda *_: network)
    run = tmp_path / "run"
    shutil.copytree(tiny_run[0], run)
    with pytest.raises(InputError, match=message):
        report(tiny_config(), run)


def test_a_class_list_of_another_length_is_refused(tiny_run, tiny_config, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(tiny_run[0], run)
    (run / "classes.txt").write_text("walk\nrun\n")
    with pytest.raises(InputError, match=r"classes.txt names 2 classes, but the head has 8"):
        report(tiny_config(), run)


def test_several_processes_are_refused(tiny_config, tmp_path, monkeypatch):
    monkeypatch.setattr("jax.process_count", lambda: 2)
    with pytest.raises(InputError, match="is made in one process, and here are 2"):
        report(tiny_config(), tmp_path)


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """The folder of a run that seems to be trained on some of fifteen videos, and its settings."""
    folder = tmp_path_factory.mktemp("folder")
    for i, name in enumerate(CLASSES):
        (folder / "videos" / name).mkdir(parents=True)
        for j in range(5):
            (folder / "videos" / name / f"{j}.avi").write_bytes(encode(frames_of(4 + 5 * i + j, 16, 20)))
    data = DataConfig("video_folder", source=f"{folder}/videos", data_dir=f"{folder}/data", test_share=0.4)
    network, config = make_network(), Config(replace(data, split_seed=3), CLIP)
    claim(folder / "run", config, CLASSES, network.model)
    with Checkpoints(folder / "run" / "checkpoints") as checkpoints:
        checkpoints.save(first_state(network.variables, optax.identity()))
    return folder / "run", config


def videos_of(workdir, predictions):
    return {row["video"] for row in predictions(workdir)}


def held_out(config):
    videos = load_videos(config)
    return set(videos.index["name"][split_rows(videos, 1, "test")].tolist())


@pytest.mark.slow
def test_a_run_is_tested_on_the_videos_that_it_has_not_been_trained_on(there, predictions, capsys):
    run, config = there
    assert report(configure(None, run, [], "evaluate")[1], run) == 0
    assert videos_of(run, predictions) == held_out(config) and 3 <= len(held_out(config)) <= 9
    assert "in training" not in capsys.readouterr().out
    assert 'class="note"' not in (run / "report.html").read_text()


OTHER = """
from r3d_jax.config import *

def get_config():
    return Config(data=DataConfig("video_folder", source="other", fold=2, split_seed=4, test_share=0.6))
"""


@pytest.mark.slow
def test_a_file_that_has_changed_since_changes_nothing(there, predictions, main_here, tmp_path):
    run, config = there
    (tmp_path / "other.py").write_text(OTHER)
    status, printed = main_here(f"--config={tmp_path}/other.py", f"--workdir={run}", "--mode=evaluate")
    assert status == 0 and "in training" not in printed, printed
    assert videos_of(run, predictions) == held_out(config)


@pytest.mark.slow
@pytest.mark.parametrize("by_source", [False, True], ids=["the run in the folder", "the run that is named as a source"])
def test_other_videos_than_those_held_out_in_training_are_told_first_of_all(
    there, predictions, tmp_path, capsys, by_source
):
    run, config = there
    other = replace(config, data=replace(config.data, split_seed=4))
    assert held_out(other) != held_out(config)
    settings = ["--config.data.split_seed=4"] + [f"--config.finetune.source={run}"] * by_source
    workdir = tmp_path / "new" if by_source else run
    assert report(configure(None, run, settings, "evaluate")[1], workdir) == 0
    assert videos_of(workdir, predictions) == held_out(other)
    note = "data.split_seed: 3 in training, 4 now; videos that it was trained on may be among those tested"
    printed = capsys.readouterr().out.splitlines()
    assert note in printed and printed.index(note) < next(i for i, line in enumerate(printed) if "top-1" in line)
    body = (workdir / "report.html").read_text().partition("</style>")[2].strip()
    assert body.startswith(f'<p class="note">{note}</p>\n<h1>')


@pytest.mark.parametrize(
    "setting, before, now",
    [("fold", 1, 2), ("test_share", 0.4, 0.5), ("group", "", "^./"), ("name", "video_folder", "ucf101")],
)
def test_every_setting_that_decides_on_the_videos_is_told(there, setting, before, now):
    run, config = there
    changed = replace(config, data=replace(config.data, workers=7, **{setting: now}))
    told = (
        f"data.{setting}: {before!r} in training, {now!r} now; videos that it was trained on may be among those tested"
    )
    assert module._differences(changed, run, make_network()) == [told]


def test_other_clips_are_told_and_what_changes_no_number_is_not(there):
    run, config = there
    seen = replace(config, clip=replace(config.clip, views=5, flip=0.0), eval=replace(config.eval, batch_size=4))
    assert module._differences(seen, run, make_network()) == ["clip.views: 3 in training, 5 now"]


def test_of_a_run_that_a_script_has_saved_only_the_clips_are_known(there, tmp_path):
    _, config = there
    (tmp_path / "config.json").write_text(json.dumps({"clip": {"frames": 4, "crop": 16, "views": 9}}))
    network = make_network()._replace(clip=ClipSpec(frames=4, crop=16, views=9))
    told = module._differences(replace(config, data=replace(config.data, fold=2)), tmp_path, network)
    assert told == ["clip.test_size: 128 in training, 16 now", "clip.views: 9 in training, 3 now"]


def test_of_a_converted_network_only_the_clips_are_known(there, tmp_path):
    _, config = there
    network, file = make_network(), tmp_path / "tiny.safetensors"
    assert module._differences(config, file, network) == []
    cut = replace(config, data=replace(config.data, fold=2), clip=replace(CLIP, test_crop=12))
    assert module._differences(cut, file, network) == ["clip.test_crop: 0 of its own, 12 now"]
