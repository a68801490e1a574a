"""What the README shows in Python runs as it stands there."""

import re
from pathlib import Path

import jax
import numpy as np

from r3d_jax.__main__ import main
from r3d_jax.data.demo import draw_video

ROOT = Path(__file__).parents[1]


def test_the_readmes_python_runs_and_its_ways_agree(tiny_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "demo").symlink_to(tiny_run[0])
    for i, name in enumerate(("a.avi", "b.avi")):
        (tmp_path / name).write_bytes(draw_video("walk_left", 0, 1, i))
    main(["export", "runs/demo", "demo.npz"])
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 2
    found = {}
    exec(blocks[0], found)
    expected = np.asarray(found["logits"])
    assert expected.shape == (2, 8) and found["clips"].shape[:2] == (2, 2)
    for name in ("ensemble", "mapped", "sharded"):
        np.testing.assert_allclose(np.reshape(found[name], (2, 8)), expected, rtol=1e-4, atol=1e-5)
    assert any(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(found["gradients"]))
    (block,) = found["features"]
    assert found["maps"].shape == found["features"][block].shape[:-1]
    exec(blocks[1], found)
    np.testing.assert_allclose(found["logits"], expected, rtol=0, atol=1e-6 * np.abs(expected).max())
    assert found["facts"]["class_names"][1] == "walk_left"
