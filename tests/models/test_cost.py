import re
from pathlib import Path

import pytest

from r3d_jax.models.classifier import build
from r3d_jax.models.cost import activations, cost, parameters
from r3d_jax.models.presets import PRESETS

PAGE = (Path(__file__).parents[2] / "docs" / "networks.md").read_text()
TABLE = re.findall(r"^\| `(\w+)` \| ([\d,]+) \| ([\d.]+) G \|", PAGE, re.MULTILINE)


def test_the_documentation_tells_of_every_network():
    assert [name for name, _, _ in TABLE] == list(PRESETS)


@pytest.mark.slow
@pytest.mark.parametrize("name, count, billions", TABLE, ids=[name for name, _, _ in TABLE])
def test_the_documentations_numbers_are_the_networks(name, count, billions):
    found = cost(build(name, 400), (16, 112, 112))
    assert (f"{found.parameters:,}", f"{found.multiply_adds / 1e9:.2f}") == (count, billions)


@pytest.mark.parametrize(
    "name, millions",  # in PyTorchVideo's model zoo
    [
        *(("slowfast_r50", "34.57"), ("slowfast_r101", "62.83"), ("slowfast_r101_16x8", "53.77")),
        *((name, "3.79") for name in ("x3d_xs", "x3d_s", "x3d_m")),
    ],
)
def test_the_documentations_parameters_are_the_published_ones(name, millions):
    (count,) = (count for other, count, _ in TABLE if other == name)
    assert f"{int(count.replace(',', '')) / 1e6:.2f}" == millions


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, clip, billions",  # in the literature, linear layer included; 16x112x112 stands in the documentation's table
    [
        ("r3d_18", (8, 112, 112), 20.35),
        ("r3d_18", (8, 128, 170), 35.62),
        ("slowfast_r50", (32, 256, 256), 65.71),
    ],
)
def test_multiply_adds_are_the_published_ones(name, clip, billions):
    assert cost(build(name, 400), clip).multiply_adds / 1e9 == pytest.approx(billions, rel=2e-4)


def test_parameters_do_not_depend_on_the_clip():
    assert parameters(build("r3d_18", 101, pool=(1, 7, 7))) == 33_218_085


def head_and_trunk(classes, edge):
    return cost(build("r3d_18", classes, pool=(1, 7, 7)), (8, edge, edge)).multiply_adds


def test_every_cell_of_a_head_counts():
    one, six = (head_and_trunk(400, edge) for edge in (112, 128))
    convolutions = [head_and_trunk(1, edge) for edge in (112, 128)]
    assert one - convolutions[0] == 512 * 399
    assert six - convolutions[1] == 4 * 512 * 399


def test_activations_are_what_the_convolutions_give():
    model = build("r3d_18", 3, blocks=(1, 1), planes=4, stem_planes=5)
    # Stem: half the edge, 5 channels; stage 1: two convolutions and the projection, stage 2 the same at half of both.
    assert activations(model, (4, 16, 16)) == 5 * 4 * 8 * 8 + 3 * 4 * 4 * 8 * 8 + 3 * 8 * 2 * 4 * 4
    assert activations(model, (8, 32, 32)) == 8 * activations(model, (4, 16, 16))
