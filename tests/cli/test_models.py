import json

import pytest

from r3d_jax.cli.models import table
from r3d_jax.weights.published import list_models


def test_a_network_is_a_line_of_json_where_no_terminal_is(run):
    status, printed = run("models")
    lines = list(map(json.loads, printed.splitlines()))
    assert status == 0 and [each["name"] for each in lines] == [each.name for each in list_models()]
    (found,) = (each for each in lines if each["name"] == "mc3_18_k400")
    assert found["clip"]["frames"] == 16 and found["top1"] == 63.96 and found["licence"] == "BSD-3-Clause"
    assert found["multiply_adds"] == 43342635008


def test_the_table_says_whose_the_numbers_are(run):
    status, printed = run("models", "--format", "table")
    assert status == 0 and "as the publisher tells it, not measured here" in printed
    assert printed.splitlines()[0].split() == ["name", "classes", "top-1", "clip", "views", "GMACs", "MB", "licence"]
    row = "r3d_18_k400 kinetics400 63.20 16x1@112 5x1 40.70 133 BSD-3-Clause"
    assert row.split() in [line.split() for line in printed.splitlines()]


@pytest.mark.parametrize("found", [list_models()[:1], list_models()])
def test_the_table_fits_a_hundred_columns(found):
    lines = table(found)
    assert max(map(len, lines)) <= 100 and len(lines) == len(found) + 6 + sum(bool(each.note) for each in found)
