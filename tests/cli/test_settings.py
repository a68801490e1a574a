"""Which configuration the command line means, with runs that nobody has trained."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from untrained import CLASSES, CLIP, make_network

from r3d_jax.cli.settings import configure
from r3d_jax.config import Config, DataConfig, TrainConfig, changed
from r3d_jax.config_check import check
from r3d_jax.errors import InputError
from r3d_jax.weights.run import claim, read_config

THERE = Config(
    DataConfig("video_folder", source="there", data_dir="prepared", fold=2, split_seed=3, test_share=0.4),
    clip=CLIP,
    train=TrainConfig(epochs=7),
)
FILE = """
from r3d_jax.config import *

def get_config():
    return Config(data=DataConfig(name="video_folder", {data}), train=TrainConfig(epochs=9))
"""


@pytest.fixture
def run(tmp_path):
    """The folder of a run without checkpoints."""
    folder = tmp_path / "run"
    claim(folder, THERE, CLASSES, make_network().model)
    return folder


@pytest.fixture
def file(tmp_path):
    """A configuration that says other things than the run's, and nothing of where its videos are."""
    path = tmp_path / "mine.py"
    path.write_text(FILE.format(data="fold=1"))
    return path


@pytest.mark.parametrize("mode", ["train", "clips", "evaluate"])
def test_the_folder_of_a_run_is_enough(run, mode):
    assert configure(None, run, [], mode) == (run, THERE)


@pytest.mark.parametrize("mode", ["train", "clips", "evaluate"])
def test_a_file_is_enough_and_names_the_folder(file, monkeypatch, mode):
    monkeypatch.chdir(file.parent)
    workdir, config = configure(Path("mine.py"), None, [], mode)
    assert workdir == Path("runs/mine") and changed(Config(), config) == {
        "data.name": ("ucf101", "video_folder"),
        "train.epochs": (45, 9),
    }


def test_a_run_that_is_evaluated_has_its_own_settings_whatever_the_file_says(run, file):
    assert configure(file, run, [], "evaluate") == (run, THERE)


@pytest.mark.parametrize("given", [True, False], ids=["with a file", "without"])
@pytest.mark.parametrize("setting, value", [("fold", 1), ("split_seed", 4), ("test_share", 0.5), ("source", "here")])
def test_what_the_command_line_names_comes_on_top(run, file, given, setting, value):
    _, config = configure(file if given else None, run, [f"--config.data.{setting}={value}"], "evaluate")
    there = getattr(THERE.data, setting)
    assert changed(THERE, config) == {f"data.{setting}": (there, value)} and there != value
    assert read_config(run) == THERE


@pytest.mark.parametrize("mode", ["train", "clips"])
def test_a_file_trains_what_it_says_on_the_videos_that_the_run_knows(run, file, mode):
    _, config = configure(file, run, [], mode)
    assert changed(THERE, config).keys() >= {"data.fold", "data.split_seed", "train.epochs", "clip.frames"}
    assert (config.data.source, config.data.data_dir, config.train.epochs) == ("there", "prepared", 9)


def test_a_file_that_says_where_the_videos_are_is_right(run, file):
    file.write_text(FILE.format(data="source='moved'"))
    assert configure(file, run, [], "train")[1].data.source == "moved"
    assert configure(file, run, ["--config.data.source=again"], "train")[1].data.source == "again"


@pytest.mark.parametrize(
    "settings",
    [
        ["--config.train.epochs=5", "--config.data.source=my videos", "--config.clip.train_sizes=20,30"],
        ["--config.train.epochs", "5", "--config.data.source", "my videos", "--config.clip.train_sizes", "(20,30)"],
    ],
)
def test_values_stand_behind_an_equals_sign_or_beside(run, settings):
    _, config = configure(None, run, settings, "train")
    assert changed(THERE, config) == {
        "train.epochs": (7, 5),
        "data.source": ("there", "my videos"),
        "clip.train_sizes": ((16, 16), (20, 30)),
    }


@pytest.mark.parametrize(
    "settings, value",
    [
        (["--config.optim.nesterov"], True),
        (["--config.optim.nesterov=true"], True),
        (["--config.optim.nesterov", "True", "--config.train.epochs", "7"], True),
        (["--config.optim.nesterov", "--noconfig.optim.nesterov"], False),
        (["--config.optim.nesterov", "False"], False),
    ],
)
def test_what_is_on_or_off_needs_no_value(run, settings, value):
    assert configure(None, run, settings, "train")[1] == replace(THERE, optim=replace(THERE.optim, nesterov=value))


def test_a_value_may_be_negative(run):
    config = configure(None, run, ["--config.optim.momentum", "-0.5"], "train")[1]
    assert config.optim.momentum == -0.5  # which `check` refuses with the range


@pytest.mark.parametrize(
    "settings, message",
    [
        (["--config.train.epoch=3"], "no config field 'train.epoch'; `train` has epochs, batch_size"),
        (["--config.trains.epochs=3"], "no config section 'trains'; there are data, clip"),
        (["--config.train.epochs=many"], "invalid literal for int"),
        (["--config.train.epochs"], "Missing value for flag --config.train.epochs"),
        (["--config.optim.nesterov=perhaps"], "Non-boolean argument to boolean flag"),
        (["train"], "unknown argument 'train'; settings are given as --config.SECTION.FIELD=VALUE"),
        (["--config.train.epochs=3", "4"], "unknown argument '4'"),
        (["--workdri=there"], "unknown argument '--workdri=there'"),
    ],
)
def test_what_is_no_setting_is_refused(run, settings, message):
    with pytest.raises(InputError, match=message):
        configure(None, run, settings, "train")


def test_nothing_to_go_by_is_refused_with_the_remedy(run, file, tmp_path):
    with pytest.raises(InputError, match=r"name a configuration \(--config FILE\) or the folder of a run"):
        configure(None, None, [], "train")
    with pytest.raises(InputError, match=r"no run in .*none; name its configuration too \(--config FILE\)"):
        configure(None, tmp_path / "none", [], "evaluate")
    with pytest.raises(InputError, match=r"no config file '.*none.py'"):
        configure(tmp_path / "none.py", run, [], "train")
    (run / "config.json").write_text('{"data": {"nothing": 1}}')
    with pytest.raises(InputError, match=r"config\.json is not the configuration of a run of this version"):
        configure(None, run, [], "train")


@pytest.mark.parametrize(
    "text, message",
    [
        ("def get_config():\n    return 1 / 0\n", r"ZeroDivisionError in the config file: .*\n .*mine.py, line 2: "),
        (
            "from r3d_jax.config import *\ndef get_config():\n    return Config(train=TrainConfig(micro_batches=2))\n",
            r"TypeError in the config file: .* .train.micro_batches is called train.gradient_accumulation now.\n .*3",
        ),
        (
            "from r3d_jax.config import *\ndef get_config():\n    c = Config()\n    c.train.micro_batches = 2\n",
            r"AttributeError in the config file: .* .train.micro_batches is called train.gradient_accumulation now.\n",
        ),
        ("import nothing_such\n", r"ModuleNotFoundError in the config file: .*\n .*mine.py, line 1: "),
        ("def get_config():\n    return {}\n", "must name a file whose get_config.. returns a Config"),
        (FILE.format(data="folds=1"), "unexpected keyword argument 'folds'"),
    ],
)
def test_a_file_that_gives_no_configuration_is_refused_with_the_place(file, text, message):
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        configure(file, None, [], "train")


def test_a_run_that_a_script_has_saved_is_evaluated_on_its_clips_and_the_files_data(run, file):
    (run / "config.json").write_text(json.dumps({"clip": {"frames": 5, "views": 4}}))
    _, config = configure(file, run, ["--config.clip.views=2"], "evaluate")
    assert (config.clip.frames, config.clip.views, config.train.epochs) == (5, 2, 9)
    with pytest.raises(InputError, match=r"was saved by a script: name the data with --config FILE"):
        configure(None, run, [], "evaluate")


SOURCED = """
from r3d_jax.config import *

def get_config():
    return Config(data=DataConfig(name="video_folder"), clip=None, train=TrainConfig(epochs=9))
"""


@pytest.fixture
def sourced(file):
    """A configuration that leaves its clip to the source."""
    file.write_text(SOURCED)
    return file


@pytest.mark.parametrize("mode", ["train", "clips", "evaluate"])
def test_a_clip_that_is_left_to_the_source_is_its_own_but_for_what_is_typed(sourced, source, tmp_path, mode):
    named = [f"--config.finetune.source={source}"]
    config = configure(sourced, tmp_path / "new", named, mode)[1]
    assert config.clip == CLIP and (config.train.epochs, config.finetune.source) == (9, str(source))
    typed = ["--config.clip.crop=12", "--config.clip.views", "5", "--config.train.epochs=2"]
    config = configure(sourced, tmp_path / "new", named + typed, mode)[1]
    assert config.clip == replace(CLIP, crop=12, views=5) and config.train.epochs == 2
    check(config, 1)


def test_a_run_that_has_begun_keeps_the_clip_that_it_took(sourced, run, tmp_path):
    config = configure(sourced, run, [f"--config.finetune.source={tmp_path / 'gone'}"], "train")[1]
    assert config.clip == CLIP and config.data.source == "there"


def test_a_clip_that_is_left_to_no_source_is_refused(sourced, tmp_path):
    with pytest.raises(InputError, match=r"leaves its clip to the network that it fine-tunes; set `finetune.source`"):
        configure(sourced, tmp_path / "new", ["--config.clip.views=5"], "train")


def test_a_network_without_a_run_is_tested_on_its_own_clips_whatever_the_file_says(file, source, tmp_path):
    named = [f"--config.finetune.source={source}"]
    assert configure(file, tmp_path / "new", named, "evaluate")[1].clip == CLIP
    assert configure(file, tmp_path / "new", [*named, "--config.clip.crops=3"], "evaluate")[1].clip.crops == 3
    assert configure(file, tmp_path / "new", named, "train")[1].clip == Config().clip
    assert configure(file, tmp_path / "new", [], "evaluate")[1].clip == Config().clip
