"""The notebook's cells run in their order, and what it holds is small and of the cells that it has."""

import json

import matplotlib
import matplotlib.pyplot as plt
import pytest
from pages import ROOT, settle

import r3d_jax

pytestmark = pytest.mark.slow

PATH = ROOT / "docs" / "tutorial.ipynb"


@pytest.fixture
def cells():
    """The source of each code cell."""
    notebook = json.loads(PATH.read_text())
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_its_cells_run(cells, data_dir, demo_videos, tmp_path, monkeypatch, capsys):
    settle(tmp_path, data_dir, monkeypatch)
    monkeypatch.delenv("UCF101", raising=False)
    matplotlib.use("Agg")
    found = {}
    for i, source in enumerate(cells):
        exec(compile(source, f"cell {i}", "exec"), found)  # the step is the README's, and compiled once for both
    assert len(plt.get_fignums()) == 3
    plt.close("all")
    assert int(found["state"].step) == 16 and list(found["tests"]) == [2, 4, 6, 8]
    assert r3d_jax.load("runs/tutorial").clip == found["clip"]
    assert found["prediction"].probabilities.shape == (8,)
    assert "epoch 2: " in capsys.readouterr().out


def test_what_is_committed_is_small_and_whole():
    assert PATH.stat().st_size < 300_000
    notebook = json.loads(PATH.read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert sum(output["output_type"] == "display_data" for output in outputs) == 3
    printed = "".join("".join(output["text"]) for output in outputs if output["output_type"] == "stream")
    assert "of the test videos" in printed and "/tmp/" not in PATH.read_text()
    long = [line for cell in notebook["cells"] for line in "".join(cell["source"]).splitlines() if len(line) > 120]
    assert not long
