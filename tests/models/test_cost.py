import re
from pathlib import Path

import pytest

from r3d_jax.models.classifier import build
from r3d_jax.models.cost import multiply_adds, parameters
from r3d_jax.models.presets import PRESETS

README = (Path(__file__).parents[2] / "README.md").read_text()
TABLE = re.findall(r"^\| `(\w+)` \| ([\d,]+) \| ([\d.]+) G \|", README, re.MULTILINE)


def test_the_readme_tells_of_every_network():
    assert [name for name, _, _ in TABLE] == list(PRESETS)


@pytest.mark.parametrize("name, count, cost", TABLE, ids=[name for name, _, _ in TABLE])
def test_the_readmes_numbers_are_the_networks(name, count, cost):
    model = build(name, 400)
    assert f"{parameters(model):,}" == count
    assert f"{multiply_adds(model, (16, 112, 112)) / 1e9:.2f}" == cost


@pytest.mark.parametrize(
    "name, clip, billions",  # of r3d_18 and r2plus1d_18 in the literature, linear layer included
    [
        ("r3d_18", (8, 112, 112), 20.35),
        ("r3d_18", (16, 112, 112), 40.697),
        ("r3d_18", (8, 128, 170), 35.62),
        ("torchvision_r2plus1d_18", (16, 112, 112), 40.52),
        ("mc3_18", (16, 112, 112), 43.34),
    ],
)
def test_multiply_adds_are_the_published_ones(name, clip, billions):
    assert multiply_adds(build(name, 400), clip) / 1e9 == pytest.approx(billions, rel=2e-4)


def test_every_cell_of_a_head_counts():
    one, six = (multiply_adds(build("r3d_18", 400, pool=(1, 7, 7)), (8, edge, edge)) for edge in (112, 128))
    convolutions = [multiply_adds(build("r3d_18", 1, pool=(1, 7, 7)), (8, edge, edge)) for edge in (112, 128)]
    assert one - convolutions[0] == 512 * 399
    assert six - convolutions[1] == 4 * 512 * 399
