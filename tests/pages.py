"""The README and the pages of docs/ as tests take them: their blocks, their commands, and a place to run them in."""

import re
import shlex
from functools import cache
from pathlib import Path

import jax
import numpy as np
import pytest
from trunks import TINY

import r3d_jax
from r3d_jax.cli.main import main
from r3d_jax.data.demo import CLASSES, write_samples
from r3d_jax.models.classifier import abstract_variables
from r3d_jax.training.state import first_state

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
CLIP = {"frames": 4, "train_sizes": (16, 18), "crop": 16, "test_size": 16, "views": 2}


def blocks(page, kind):
    """The code of a page's blocks that open with ```kind, in their order."""
    return re.findall(rf"^```{kind}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def calls(page):
    """(command of r3d_jax, its arguments) of each shell line of a page that has one; `main.py` is `train`."""
    for text in blocks(page, "sh"):
        for line in text.replace("\\\n", " ").splitlines():
            yield from _calls(shlex.split(line, comments=True))
    yield from shown(page)


def shown(page):
    """Likewise of the lines after "$", whose output the page shows."""
    for line in re.findall(r"^\$ (.*)$", page.read_text(), re.MULTILINE):
        yield from _calls(shlex.split(line))


def _calls(tokens):
    for i, token in enumerate(tokens):
        rest = tokens[i + 1 :]
        arguments = rest[: next((k for k, each in enumerate(rest) if each in ("&&", "|", ";")), None)]
        if " " in token:  # a command within one
            yield from _calls(shlex.split(token))
        elif token == "main.py":
            yield "train", arguments
        elif token == "r3d_jax" and (i == 0 or tokens[i - 1] == "-m"):
            yield arguments[0], arguments[1:]


@cache
def _variables(model):
    """Random ones, which nothing has to be compiled for; variances are not negative."""
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda x: np.float32(np.abs(rng.normal(0, 0.2, x.shape))), abstract_variables(model))


def settle(folder, data_dir, monkeypatch, *, small=True):
    """Makes `folder` a place where the pages' Python runs in seconds: it has `data` and an untrained `runs/demo`.

    Where `small`, networks and clips are tiny whatever is asked for, an epoch has two batches of four clips, a test has
    four videos, and UCF-101's videos are the demo's.
    """
    monkeypatch.chdir(folder)
    (folder / "data").symlink_to(data_dir)
    model = r3d_jax.build("r3d_18", len(CLASSES), **TINY)
    state = first_state(_variables(model), r3d_jax.sgd(0.1))
    r3d_jax.save("runs/demo", model, state, tuple(CLASSES), r3d_jax.ClipSpec(**CLIP))
    write_samples(folder / "runs" / "demo" / "videos")
    if not small:
        return
    data, build, spec = r3d_jax.data, r3d_jax.build, r3d_jax.ClipSpec
    train_batches, eval_batches, demo = data.train_batches, data.eval_batches, data.Demo

    def tiny(name, num_classes, **options):
        return build(name, num_classes, **TINY)

    def tiny_clip(**options):
        return spec(**options | CLIP)

    def two_batches(*arguments, **options):
        return train_batches(*arguments, **options | {"batch_size": 4, "videos_per_epoch": 8})

    def four_videos(*arguments, **options):
        return eval_batches(*arguments, **options | {"batch_size": 2, "count": 4})

    monkeypatch.setattr(r3d_jax, "build", tiny)
    monkeypatch.setattr(r3d_jax, "ClipSpec", tiny_clip)
    monkeypatch.setattr(data, "train_batches", two_batches)
    monkeypatch.setattr(data, "eval_batches", four_videos)
    monkeypatch.setattr(data, "UCF101", lambda *, source: demo())


def run_shown(page):
    """Runs what the page shows the output of, but for servers; the exit statuses."""
    statuses = []
    for command, arguments in shown(page):
        if command != "serve":
            with pytest.raises(SystemExit) as done:
                main([command, *arguments])
            statuses.append(done.value.code)
    return statuses


def run_blocks(page, kind="python"):
    """What a page's Python leaves behind, run in order."""
    found = {}
    for block in blocks(page, kind):
        exec(compile(block, str(page), "exec"), found)
    return found
