"""The flags of training, and what is said at its end; training itself is replaced."""

import sys
from pathlib import Path

import pytest
from untrained import CLASSES, CLIP, make_network

from r3d_jax.cli import train
from r3d_jax.config import Config, DataConfig, flatten
from r3d_jax.errors import InputError
from r3d_jax.weights.run import claim

THERE = Config(DataConfig("video_folder", source="there"), clip=CLIP)


@pytest.fixture
def folder(tmp_path):
    """The folder of a run without checkpoints."""
    claim(tmp_path / "run", THERE, CLASSES, make_network().model)
    return tmp_path / "run"


@pytest.fixture
def called(monkeypatch):
    """What training, preview and report are called with: (name, configuration, folder, further options)."""
    found = []

    def note(name):
        def called(config, workdir, **options):
            found.append((name, config, workdir, options))
            return 0

        return called

    for name in ("training.loop.run", "training.preview.preview", "report.report.report"):
        monkeypatch.setattr(f"r3d_jax.{name}", note(name.rpartition(".")[2]))
    return found


def main_py(*arguments):
    """`main.py` in this process: its exit status or message."""
    with pytest.raises(SystemExit) as ended:
        train.main(list(map(str, arguments)))
    return ended.value.code


@pytest.fixture(params=["main.py", "r3d_jax train"])
def call(request, run):
    """Each way to train, in this process: its exit status or message."""
    return main_py if request.param == "main.py" else lambda *arguments: run("train", *arguments)[0]


def test_a_runs_folder_and_a_mode_are_enough(call, called, folder):
    for mode, name in (("train", "run"), ("clips", "preview"), ("evaluate", "report")):
        assert call("--workdir", folder, "--mode", mode) == 0
        assert called.pop()[:3] == (name, THERE, folder)


def test_flags_and_settings_stand_in_any_order_with_values_beside_or_behind_an_equals_sign(call, called, folder):
    settings = ("--config.data.fold", 2, "--mode=evaluate", "--config.optim.nesterov", "--checkpoint", "best")
    assert call("--config.data.source=my videos", f"--workdir={folder}", *settings) == 0
    name, config, _, options = called.pop()
    assert name == "report" and options == {"checkpoint": "best"}
    assert (config.data.source, config.data.fold, config.optim.nesterov) == ("my videos", 2, True)


def test_a_quoted_tilde_is_the_home(call, called, folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    (folder.parent / "mine.py").write_text("from r3d_jax.config import Config as get_config\n")
    assert call("--workdir=~/run") == call("--workdir", "~/new", "--config=~/mine.py") == 0
    assert [workdir for _, _, workdir, _ in called] == [folder, folder.parent / "new"]
    assert called[-1][1] == Config()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--epochs=3",), "error: unknown argument '--epochs=3'; settings are given as --config.SECTION.FIELD=VALUE"),
        (("--work=x",), "error: unknown argument '--work=x'"),
        (("--config.train.epoch", 3), "error: no config field 'train.epoch'; `train` has epochs"),
        (("--processes=2",), "error: --processes and --process need --coordinator, HOST:PORT of the first"),
        (("--coordinator=host:1",), "error: --coordinator needs --processes (=0) and --process (=-1)"),
    ],
)
def test_mistakes_are_one_message_that_names_flags(call, called, folder, arguments, message):
    assert call("--workdir", folder, *arguments).startswith(message)
    assert not called


@pytest.mark.parametrize(
    "told, message",
    [
        ("name it as `source`", "error: name it as --config.data.source"),
        ("use another `workdir`", "error: use another --workdir"),
        ("`max_broken` and `train.epochs`", "error: --config.data.max_broken and `train.epochs`"),
    ],
)
def test_what_the_library_calls_an_argument_is_a_flag_here(call, folder, monkeypatch, told, message):
    def refuse(*_):
        raise InputError(told)

    monkeypatch.setattr("r3d_jax.training.loop.run", refuse)
    assert call("--workdir", folder) == message


@pytest.mark.parametrize("flag", ["--mode=draw", "--checkpoint=first", "--processes=two"])
def test_a_value_that_a_flag_cannot_have_is_refused(call, called, folder, flag):
    assert call("--workdir", folder, flag) == 2 and not called


def test_its_end_names_the_folder_and_what_comes_next(called, folder, capsys):
    assert main_py("--workdir", folder) == 0
    where, following = capsys.readouterr().out.splitlines()
    assert where == f"{folder}: checkpoints, metrics.jsonl, curves.png"
    command = "python -m r3d_jax"
    assert following == f"next: {command} predict {folder} VIDEO; {command} train --workdir {folder} --mode evaluate"


@pytest.mark.parametrize("mode, status", [("clips", 0), ("evaluate", 0), ("train", 1), ("train", 130)])
def test_nothing_is_said_to_be_there_unless_training_has_ended(folder, monkeypatch, capsys, mode, status):
    for name in ("training.loop.run", "training.preview.preview", "report.report.report"):
        monkeypatch.setattr(f"r3d_jax.{name}", lambda *_, **__: status)
    assert main_py("--workdir", folder, "--mode", mode) == status and capsys.readouterr().out == ""


def test_after_the_demo_there_are_videos_to_try(tmp_path):
    run = tmp_path / "my demo"
    *_, following = train._afterwards(Config(DataConfig("demo")), run)
    assert f"predict '{run}' '{run}/videos'; " in following
    assert {path.suffix for path in (run / "videos").iterdir()} == {".avi"}


@pytest.mark.parametrize("program, command", [("/usr/bin/r3d_jax", "r3d_jax"), ("main.py", "python -m r3d_jax")])
def test_the_command_that_comes_next_is_one_that_there_is(monkeypatch, program, command):
    monkeypatch.setattr(sys, "argv", [program])
    assert train._afterwards(THERE, Path("runs/a"))[1].startswith(f"next: {command} predict runs/a VIDEO; {command} tr")


def test_every_flag_in_messages_is_one_that_there_is(run):
    _, text = run("train", "--help")
    for flag in train.FLAGS.values():
        setting = flag.removeprefix("--config.")
        assert setting in flatten(Config()) if setting != flag else f"{flag} " in text
