"""What the README shows runs as it stands there, and is as short as it promises to be."""

import re

import pytest
from pages import README, run_blocks, run_shown, settle

import r3d_jax

pytestmark = pytest.mark.slow


def test_it_is_read_in_a_few_minutes():
    assert len(README.read_text().splitlines()) <= 120


def test_its_two_commands_stand_in_one_line_each():
    lines = re.findall(r"^python3 -m venv .*$", README.read_text(), re.MULTILINE)
    install = "python3 -m venv .venv && .venv/bin/pip install -r"
    assert lines == [
        f"{install} requirements.txt && .venv/bin/python main.py --config configs/demo.py",
        f"{install} tests/requirements.txt && .venv/bin/pytest tests/",
    ]


def test_its_python_runs(data_dir, demo_videos, tmp_path, monkeypatch, capsys):
    settle(tmp_path, data_dir, monkeypatch)
    assert run_shown(README) == [0]
    found = run_blocks(README)
    assert found["clips"].shape[:3] == (1, 2, 4) and found["logits"].shape == (1, 8)
    assert int(found["state"].step) == 8 * len(found["train"]) == 16
    assert found["meters"]["videos"] == 4 and found["meters"]["clips"] == 8
    assert r3d_jax.load("runs/mine").clip == found["clip"]
    printed = capsys.readouterr().out
    assert "v_walk_left_g05_c00.avi" in printed and "of 4 videos" in printed
