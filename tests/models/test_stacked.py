import jax
import numpy as np
import pytest
from closeness import close
from correlation import CASES, correlation, operands

from r3d_jax.models import stacked
from r3d_jax.models.window import Window

CASES = CASES | {"no frame met": ((1, 5, 6), (1, 3, 3), (9, 1, 1), (4, 0, 0), 1)}


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[4] == 1])
def test_values_are_those_of_the_3d_convolution_and_transposes_its_adjoints(rng, name):
    """<convolution of x with k, y> = <x, transpose of y> = <k, transpose of y> for any x, k and y."""
    size, kernel, stride, padding, _ = CASES[name]
    x, weights = operands(rng, size, kernel)
    expected = correlation(x, weights, stride=stride, low=padding, high=padding)
    y = rng.standard_normal(expected.shape, np.float32)

    @jax.jit
    def both(x, weights, y):
        values, transposes = jax.vjp(lambda x, k: stacked.convolution(x, k, Window(*CASES[name])), x, weights)
        return values, transposes(y)

    values, gradients = both(x, weights, y)
    close(values, expected)
    for operand, gradient in zip((x, weights), gradients):
        apart = (operand * np.float64(gradient)).sum() - (expected * y).sum()
        assert abs(apart) <= 1e-6 * np.linalg.norm(expected) * np.linalg.norm(y)
