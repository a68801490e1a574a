import jax
import numpy as np
import pytest
from closeness import close
from correlation import CASES, correlation, operands

from r3d_jax.models import taps
from r3d_jax.models.window import Window


@pytest.mark.parametrize("low, high", [((0, 0, 0), (0, 0, 0)), ((1, 2, 0), (2, 0, 3)), ((5, 1, 1), (0, 1, 1))])
@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolution_takes_any_zeros_before_and_after(rng, low, high, groups):
    x, kernel = operands(rng, (2, 5, 6), (2, 3, 3), groups)
    expected = correlation(x, kernel, stride=(2, 1, 1), low=low, high=high, groups=groups)
    options = {"stride": (2, 1, 1), "low": low, "high": high, "groups": groups}
    close(jax.jit(lambda x, k: taps.convolution(x, k, expected.shape[1:4], **options))(x, kernel), expected)


def test_taps_that_meet_no_frame_give_zeros(rng):
    x, kernel = operands(rng, (1, 5, 6), (1, 3, 3))
    found = taps.convolution(x, kernel, (2, 3, 4), stride=(9, 1, 1), low=(4, 0, 0), high=(6, 0, 0))
    assert found.shape == (2, 2, 3, 4, 6) and not np.any(found)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_kernel_gradient_is_the_convolutions_adjoint(rng, case):
    """<convolution with k, y> = <k, gradient of y> for any k and y."""
    size, kernel, stride, padding, groups = case
    x, weights = operands(rng, size, kernel, groups)
    out = correlation(x, weights, stride=stride, low=padding, high=padding, groups=groups)
    y = rng.standard_normal(out.shape, np.float32)
    found = np.float64(jax.jit(lambda x, y: taps.kernel_gradient(x, y, Window(*case)))(x, y))
    assert found.shape == weights.shape
    assert abs((found * weights).sum() - (out * y).sum()) < 1e-6 * np.linalg.norm(out) * np.linalg.norm(y)
