"""The command line as a whole: which commands there are, how flags are written, how a command ends."""

import argparse
import importlib
import os
import re
import shutil

import pytest
from untrained import CLASSES, CLIP, make_network

import r3d_jax
from r3d_jax.cli.main import COMMANDS, guarded
from r3d_jax.config import Config
from r3d_jax.errors import InputError
from r3d_jax.models import onednn_probe
from r3d_jax.weights.run import claim


def test_every_command_and_the_version_are_told(run):
    assert run("--version") == (0, f"r3d_jax {r3d_jax.__version__}\n")
    status, printed = run("--help")
    assert status == 0 and all(re.search(rf"^ +{name} +[A-Z]", printed, re.MULTILINE) for name in COMMANDS)
    assert run()[0] == run("fly")[0] == 2


def actions(name):
    """(TEXT, flags) of a command."""
    command, parser = importlib.import_module(f"r3d_jax.cli.{name}"), argparse.ArgumentParser(add_help=False)
    command.add_flags(parser)
    return command.TEXT, parser._actions


@pytest.mark.parametrize("name", COMMANDS)
def test_flags_are_written_in_one_style_and_their_help_stands_alone(run, name):
    text, found = actions(name)
    assert re.fullmatch(r"[A-Z][a-z]+s .{20,}\.", text)
    for action in found:
        assert action.help and len(action.help) > 12, action
        first, *words = re.findall(r"[\w'.]+", action.help.lower())
        assert first not in ("of", "to", "that", "default", "for"), action.help
        assert not {"likewise", "ditto", "same"} & {first, *words}, action.help
        assert not action.help.endswith("."), action.help
        for option in action.option_strings:
            assert re.fullmatch(r"--[a-z]+(_[a-z]+)*", option), option
    status, printed = run(name, "--help")
    flat = " ".join(printed.split())
    assert status == 0 and text in flat and all(" ".join(action.help.split()) in flat for action in found)


@pytest.mark.parametrize("flag", [["--batch", "0"], ["--batch=0"]])
def test_a_flags_value_stands_beside_it_or_behind_an_equals_sign(run, source, flag):
    assert run("predict", source, "v.avi", *flag)[0] == "error: --batch (=0) must be at least 1"


@pytest.mark.parametrize("flag", ["--bat=0", "--test-size=3", "--batch_size=0"])
def test_no_flag_has_a_second_name(run, source, flag, capsys):
    assert run("predict", source, "v.avi", flag)[0] == 2


def ends(call, named=None):
    with pytest.raises(SystemExit) as ended:
        guarded(call, {}, named or {})
    return ended.value.code


def test_what_a_user_can_put_right_is_one_message_and_what_is_our_fault_a_stack_trace():
    def fail(error):
        raise error

    assert ends(lambda: 3) == 3
    assert ends(lambda: fail(InputError("`hop` (=0)")), {"hop": "--hop"}) == "error: --hop (=0)"
    assert ends(lambda: fail(FileNotFoundError(2, "No such file", "a"))) == "error: [Errno 2] No such file: 'a'"
    assert ends(lambda: fail(KeyboardInterrupt())) == 130
    with pytest.raises(ZeroDivisionError):
        guarded(lambda: fail(ZeroDivisionError()), {}, {})


@pytest.mark.parametrize("wanted, held", [("off", "0"), ("auto", "1")])
def test_onednn_is_turned_off_for_a_command_and_what_it_starts(monkeypatch, wanted, held):
    monkeypatch.setenv(onednn_probe.SWITCH, "1")
    found = []
    with pytest.raises(SystemExit):
        guarded(
            lambda **flags: found.append((flags, os.environ[onednn_probe.SWITCH])), {"onednn": wanted, "top": 1}, {}
        )
    assert found == [({"top": 1}, held)]


@pytest.mark.parametrize("name", ["train", "predict", "watch", "features", "cam", "serve"])
def test_every_command_that_computes_can_do_without_onednn(name):
    assert "--onednn" in {option for action in actions(name)[1] for option in action.option_strings}


NETWORK_COMMANDS = {
    "predict": ("{run}", "v.avi"),
    "predict --timeline": ("{run}", "v.avi", "--timeline"),
    "features": ("{run}", "v.avi", "out.npz"),
    "cam": ("{run}", "v.avi", "v.mp4"),
    "export": ("{run}", "out.npz"),
    "serve": ("{run}",),
}


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """The folder of a run that has no checkpoint yet."""
    folder = tmp_path_factory.mktemp("runs") / "begun"
    claim(folder, Config(clip=CLIP), CLASSES, make_network().model)
    return folder


@pytest.mark.parametrize("command", NETWORK_COMMANDS)
@pytest.mark.parametrize(
    "run_is, message",
    [
        ("nowhere", "error: no run, no converted and no exported network at {run}; name the folder of a run"),
        (
            "empty",
            "error: no run in {run}: it has no config.json and no classes.txt and no network.json; name a folder",
        ),
        ("begun", "error: the run in {run} has no last checkpoint yet; train it first"),
        ("misnamed", "error: {run}/classes.txt names 1 classes, but the head has 3; it needs one line for each"),
        ("weights.pth", "error: {run} is not converted yet; run python -m r3d_jax convert {run} OUT.safetensors"),
    ],
)
def test_what_is_no_trained_network_is_one_line(run, command, run_is, message, begun, tmp_path):
    path = tmp_path / run_is
    if run_is in ("begun", "misnamed"):
        shutil.copytree(begun, path)
    if run_is == "empty":
        path.mkdir()
    if run_is == "misnamed":
        (path / "classes.txt").write_text("walk\n")
    if run_is == "weights.pth":
        path.write_bytes(b"weights")
    arguments = [each.format(run=path) for each in NETWORK_COMMANDS[command]]
    status, printed = run(command.split()[0], *arguments)
    assert (
        isinstance(status, str) and status.startswith(message.format(run=path)) and "\n" not in status and not printed
    )


@pytest.fixture
def named(source, tmp_path, monkeypatch):
    """The name of a published network that has been downloaded and converted already, here the tiny one."""
    monkeypatch.setenv("R3D_JAX_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    shutil.copy(source, tmp_path / "home" / "r3d_18_k400.safetensors")
    monkeypatch.chdir(tmp_path)
    return "r3d_18_k400"


@pytest.mark.slow
def test_a_published_network_is_used_by_its_name(run, source, named, folder, monkeypatch):
    video, served = folder / "v0.avi", []
    assert run("predict", named, video) == run("predict", source, video)
    monkeypatch.setattr(
        "r3d_jax.server.server.serve", lambda network, **options: served.append((network, options)) is None
    )
    assert run("serve", named)[0] == 0
    ((network, options),) = served
    assert network.class_names == CLASSES and options["name"] == named


def test_a_published_network_is_converted_by_its_name(run, named):
    status, printed = run("convert", named, "out.safetensors", "--classes=kinetics400")
    assert status == "error: kinetics400 names 400 classes, but the head has 3; it needs one line for each"
    status, printed = run("convert", named, "out.safetensors", "--names=torchvision")
    assert status == 0 and printed.startswith(f"{named}: published by torchvision\n")


@pytest.mark.parametrize("command", NETWORK_COMMANDS)
def test_a_published_network_that_cannot_be_downloaded_is_one_line(run, command, tmp_path, monkeypatch):
    monkeypatch.setenv("R3D_JAX_HOME", str(tmp_path))
    monkeypatch.setenv("R3D_JAX_MIRROR", "http://127.0.0.1:1")
    arguments = [each.format(run="r3d_18_k400") for each in NETWORK_COMMANDS[command]]
    status, printed = run(command.split()[0], *arguments)
    assert status.startswith("error: http://127.0.0.1:1/r3d_18-b3b3357e.pth cannot be reached; run this again with a")
    assert f"put the file at {tmp_path}/r3d_18-b3b3357e.pth" in status and "\n" not in status and not printed
