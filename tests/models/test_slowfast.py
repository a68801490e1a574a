from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import close
from seeded import case_of
from siblings import check_golden, golden_run, tiny_slowfast
from trunks import SOON, draw_variables

from r3d_jax.models import slowfast
from r3d_jax.models.classifier import build
from r3d_jax.models.cost import cost
from r3d_jax.models.slowfast import Fusion, SlowFast

NAME = "ptv_slowfast_r50"
PLACES = {"stem/slow": "stem-path0", "stem/fast": "stem-path1", "stem/fused": "stem-fusion"}
for stage, last in enumerate((2, 3, 5, 2), start=1):
    PLACES |= {f"stage{stage}/{name}": f"pathway{p}-stage{stage}-block{last}" for p, name in enumerate(("slow", "fast"))}
PLACES |= {f"stage{stage}/fused": f"stage{stage}-fusion" for stage in (1, 2, 3)}
MODEL = build("slowfast_r50", 400, pool=(16, 2, 2))


@pytest.mark.slow
@pytest.mark.parametrize("double, tolerance", [(False, 1e-5), (True, 1e-10)])
def test_logits_and_stages_are_pytorchvideos(double, tolerance):
    check_golden(NAME, golden_run(NAME, MODEL, PLACES, double), PLACES, tolerance)


def test_parameters_and_multiply_adds_are_pytorchvideos():
    options = case_of(NAME)
    found = cost(MODEL, tuple(options["input_shape"][2:]))
    assert found == (options["parameters"], options["multiply_adds"])
