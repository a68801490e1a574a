import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from r3d_jax.models.conv3d import conv3d

CASES = {  # time, kernel, stride, padding, groups
    "stem": (4, (3, 7, 7), (1, 2, 2), (1, 3, 3), 1),
    "strided in time": (5, (3, 3, 3), (2, 2, 2), (1, 1, 1), 1),
    "one frame": (1, (3, 3, 3), (2, 1, 1), (1, 1, 1), 1),
    "projection": (4, (1, 1, 1), (2, 2, 2), (0, 0, 0), 1),
    "grouped": (3, (3, 3, 3), (1, 1, 1), (1, 1, 1), 2),
    "stride above kernel": (7, (1, 3, 3), (3, 1, 1), (0, 1, 1), 1),
    "wide padding": (2, (5, 3, 3), (1, 1, 1), (2, 1, 1), 1),
}


@pytest.mark.parametrize("time, kernel, stride, padding, groups", CASES.values(), ids=CASES)
def test_values_and_gradients_are_those_of_the_3d_convolution(rng, time, kernel, stride, padding, groups):
    x = rng.standard_normal((2, time, 9, 8, 4), np.float32)
    weights = rng.standard_normal((*kernel, 4 // groups, 6), np.float32)

    def direct(x, weights):
        return lax.conv_general_dilated(
            x,
            weights,
            stride,
            [(p, p) for p in padding],
            dimension_numbers=("NDHWC", "DHWIO", "NDHWC"),
            feature_group_count=groups,
        )

    def ours(x, weights):
        return conv3d(x, weights, stride, padding=padding, groups=groups)

    shape = jax.eval_shape(direct, x, weights).shape
    weighting = rng.standard_normal(shape, np.float32)

    def values_and_gradients(f):
        def total(x, weights):
            values = f(x, weights)
            return jnp.sum(values * weighting), values

        (_, values), gradients = jax.jit(jax.value_and_grad(total, (0, 1), has_aux=True))(x, weights)
        return values, *gradients

    for found, expected, tolerance in zip(*map(values_and_gradients, (ours, direct)), (3e-5, 1e-4, 1e-4)):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
