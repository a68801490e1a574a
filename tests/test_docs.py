"""What the pages say is so: commands parse, Python runs, links lead somewhere, tables are those of the code."""

import argparse
import importlib
import inspect
import re
import runpy

import jax
import numpy as np
import pytest
from pages import IDS, PAGES, ROOT, blocks, calls, run_blocks, run_shown, settle
from untrained import make_network

import r3d_jax
from r3d_jax.cli.main import COMMANDS, OPEN
from r3d_jax.cli.prepare import parted
from r3d_jax.cli.settings import configure
from r3d_jax.config import Config, check_field

DOCS = ROOT / "docs"
PUBLIC = (r3d_jax, r3d_jax.data, r3d_jax.models, r3d_jax.training)
every_page = pytest.mark.parametrize("page", PAGES, ids=IDS)


def parser_of(command):
    parser = argparse.ArgumentParser(allow_abbrev=False)
    importlib.import_module(f"r3d_jax.cli.{command}").add_flags(parser)
    return parser


@pytest.fixture
def here(data_dir, demo_videos, tmp_path, monkeypatch):
    settle(tmp_path, data_dir, monkeypatch)


@every_page
def test_commands_have_the_flags_and_settings_that_they_are_given(page, tmp_path, monkeypatch):
    monkeypatch.setattr("r3d_jax.cli.settings.load", lambda *_: make_network())  # of which the pages have but names
    for command, arguments in calls(page):
        parser = parser_of(command)
        flags, settings = parser.parse_known_args(arguments)
        if command not in OPEN:
            assert getattr(flags, "runner", "") or not settings, settings
            continue
        settings = parted(settings)[0] if command == "prepare" else settings
        file = ROOT / (flags.config or "configs/demo.py")
        configure(file, tmp_path / "new", settings, "train")


def test_commands_are_found_wherever_they_stand():
    found = [command for page in PAGES for command, _ in calls(page)]
    assert set(found) == set(COMMANDS)
    clusters = [" ".join(arguments) for _, arguments in calls(DOCS / "training.md")]
    assert sum("--distributed" in each for each in clusters) == 2


@every_page
def test_files_that_are_to_be_installed_from_exist(page):
    for file in re.findall(r"pip install -r ([\w./]+)", page.read_text()):
        assert (ROOT / file).is_file(), file


@every_page
def test_settings_flags_names_and_files_in_the_text_exist(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    known = {option for command in COMMANDS for option in parser_of(command)._option_string_actions}
    sections = "|".join(Config.__slots__)
    for code in re.findall(r"`([^`]+)`", text):
        for setting in re.findall(rf"(?:^|--(?:no)?config\.)((?:{sections})\.\w+)", code):
            check_field(setting)
        for flag in re.findall(r"^--(?!config\.|noconfig\.)(\w+)", code):
            assert f"--{flag}" in known, code
        for name in re.findall(r"r3d_jax(?:\.\w+)+", code):
            assert name.isupper() or name.endswith(("NAME", ".md")) or exists(name), code
        for file in re.findall(r"^[\w/]+\.py$", code):
            assert (ROOT / file).is_file() or (ROOT / "r3d_jax" / file).is_file(), code


def exists(name):
    """Whether a dotted name leads to something of the package."""
    module, *rest = name.split(".")
    value = importlib.import_module(module)
    for part in rest:
        if not hasattr(value, part) and inspect.ismodule(value):
            importlib.import_module(f"{value.__name__}.{part}")
        value = getattr(value, part)
    return value is not None


@every_page
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).is_file(), target


@every_page
def test_lines_are_short_and_of_this_project_alone(page):
    text = page.read_text()
    assert not re.search(r"(?i)\bsession\b|\bissue #|/(work|tmp|root|home)/", text)
    if page.name != "settings.md":
        long = [line for line in text.splitlines() if len(line) > 120 and not line.startswith("|")]
        assert not long


@every_page
def test_python_can_be_parsed(page):
    for block in blocks(page, "python(?: .*)?"):
        compile(block, str(page), "exec")


@pytest.mark.slow
def test_using_a_trained_network(here):
    assert run_shown(DOCS / "using.md") == [0, 0, 0, 0, 0, 0]
    found = run_blocks(DOCS / "using.md")
    expected = np.asarray(found["logits"])
    assert expected.shape == (2, 8) and found["clips"].shape[:2] == (2, 2)
    own = jax.jit(found["predict"])(found["variables"], found["clips"])
    for name in ("ensemble", "mapped", "sharded"):
        np.testing.assert_allclose(np.reshape(found[name], (2, 8)), own, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["logits"], own, rtol=0, atol=1e-6 * np.abs(own).max())  # the program's
    np.testing.assert_allclose(found["theirs"], own, rtol=0, atol=1e-5 * np.abs(own).max())  # ONNX Runtime's
    assert any(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(found["gradients"]))
    (block,) = found["features"]
    assert found["maps"].shape == found["features"][block].shape[:-1]
    assert found["facts"]["class_names"][1] == "walk_left"


@pytest.mark.slow
def test_training_from_a_script(here):
    found = run_blocks(DOCS / "training.md")
    assert int(found["state"].step) == 16
    assert len(list(found["rest"])) == 2
    assert r3d_jax.load("runs/mine").class_names == found["videos"].class_names


@pytest.mark.slow
def test_the_tutorial_side_by_side(here, capsys):
    found = run_blocks(DOCS / "from_classyvision.md", 'python title="r3d_jax"')
    assert int(found["state"].step) == 4 and found["network"].clip == found["clip"]
    printed = capsys.readouterr().out
    assert "step 4: loss" in printed and printed.count("'video_top1'") == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["data.md", "networks.md"])
def test_other_pages_python_runs(name, data_dir, demo_videos, tmp_path, monkeypatch):
    settle(tmp_path, data_dir, monkeypatch, small=False)
    assert run_blocks(DOCS / name) and not any(run_shown(DOCS / name))


def test_every_other_page_has_no_python():
    run = {"README.md", "using.md", "training.md", "from_classyvision.md", "data.md", "networks.md"}
    assert {page.name for page in PAGES if blocks(page, "python(?: .*)?")} == run


def test_the_settings_are_those_of_the_configuration():
    page = runpy.run_path(str(DOCS / "settings.py"))["page"]()
    assert (DOCS / "settings.md").read_text() == page, "run: python docs/settings.py"


def test_published_networks_are_those_that_can_be_loaded():
    page = runpy.run_path(str(DOCS / "zoo.py"))["page"]()
    assert (DOCS / "zoo.md").read_text() == page, "run: python docs/zoo.py"


def test_the_reference_has_every_public_name():
    for module in PUBLIC:
        page = DOCS / "api" / f"{module.__name__.rpartition('.')[2]}.md"
        text = page.read_text()
        entries = re.findall(r"^::: (.+)\n    options:\n      heading: (\w+)", text, re.MULTILINE)
        targets = {name: target for target, name in entries}
        linked = dict(re.findall(r"\[(\w+)\]\(r3d_jax\.md#([\w.]+)\)", text))
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.ismodule(value) or name == "PRESETS":
                continue
            target = (targets | linked)[name]
            where, _, last = target.rpartition(".")
            assert getattr(importlib.import_module(where), last) is value, target
