from functools import partial

import jax
import numpy as np
import pytest
from correlation import CASES, correlation, operands

from r3d_jax.models import taps
from r3d_jax.models.window import Window, input_gradient, trimmed, turned_round


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_output_is_as_large_as_a_convolutions(rng, case):
    size, kernel, stride, padding, groups = case
    out = correlation(*operands(rng, size, kernel, groups), stride=stride, low=padding, high=padding, groups=groups)
    assert Window(*case).out == out.shape[1:4]


@pytest.mark.parametrize("groups", [1, 2])
def test_a_kernel_turned_round_goes_from_features_to_channels_within_its_group(rng, groups):
    _, kernel = operands(rng, groups=groups)
    turned = turned_round(kernel, groups)
    assert turned.shape == (3, 3, 3, 6 // groups, 4)
    for channel, feature in np.ndindex(4, 6):
        within = channel // (4 // groups) == feature // (6 // groups)
        if within:
            expected = kernel[..., channel % (4 // groups), feature]
            np.testing.assert_array_equal(turned[..., feature % (6 // groups), channel], expected)
    np.testing.assert_array_equal(turned_round(turned, groups), kernel)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_input_gradient_is_the_convolutions_adjoint(rng, case):
    """<convolution of x, y> = <x, gradient of y> for any x and y."""
    size, kernel, stride, padding, groups = case
    x, weights = operands(rng, size, kernel, groups)
    out = correlation(x, weights, stride=stride, low=padding, high=padding, groups=groups)
    y = rng.standard_normal(out.shape, np.float32)
    gradient = partial(input_gradient, window=Window(*case), transposed=partial(taps.transposed, groups=groups))
    found = np.float64(jax.jit(gradient)(y, weights))
    assert found.shape == x.shape
    assert abs((found * x).sum() - (out * y).sum()) < 1e-6 * np.linalg.norm(out) * np.linalg.norm(y)


OUTER = [  # size, kernel, stride, padding, the first position that is left, and how many are
    ((1, 4, 5), (3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 0, 0), (1, 3, 3)),
    ((2, 4, 5), (3, 3, 3), (2, 1, 1), (1, 1, 1), (1, 0, 0), (2, 3, 3)),
    ((2, 1, 2), (2, 7, 5), (1, 2, 4), (0, 3, 4), (0, 3, 0), (2, 1, 5)),
    ((4, 9, 8), (3, 3, 3), (1, 1, 1), (1, 1, 1), (0, 0, 0), (3, 3, 3)),
]


@pytest.mark.parametrize("size, kernel, stride, padding, first, left", OUTER)
def test_kernel_positions_that_meet_zeros_alone_are_left_out(size, kernel, stride, padding, first, left):
    window = Window(size, kernel, stride, padding, 1)
    found = trimmed(window)
    assert (found.first, found.kernel) == (first, left) and min(*found.low, *found.high) >= 0
    reach = [n + lo + hi - k for n, lo, hi, k in zip(size, found.low, found.high, left)]
    assert tuple(r // s + 1 for r, s in zip(reach, stride)) == window.out
