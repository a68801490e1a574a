import pytest
from seeded import case_of
from siblings import check_golden, golden_run

from r3d_jax.models.classifier import build
from r3d_jax.models.cost import cost

NAME = "ptv_x3d_s"
LASTS = enumerate((2, 4, 10, 6), start=1)
PLACES = {"stem": "stem-path0"} | {f"stage{s}": f"pathway0-stage{s}-block{b}" for s, b in LASTS}
MODEL = build("x3d_s", 400)


@pytest.mark.slow
@pytest.mark.parametrize("double, tolerance", [(False, 1e-5), (True, 1e-10)])
def test_logits_and_stages_are_pytorchvideos(double, tolerance):
    check_golden(NAME, golden_run(NAME, MODEL, PLACES, double), PLACES, tolerance)


def test_parameters_and_multiply_adds_are_pytorchvideos():
    options = case_of(NAME)
    found = cost(MODEL, tuple(options["input_shape"][2:]))
    assert found == (options["parameters"], options["multiply_adds"])
