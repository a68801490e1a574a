import jax
import numpy as np
import pytest
from closeness import close
from correlation import CASES, correlation, operands

from r3d_jax.models import depthwise
from r3d_jax.models.conv3d import conv3d
from r3d_jax.models.window import Window

DEPTHWISE = {name: case for name, case in CASES.items() if case[4] == 4}


@pytest.mark.slow
@pytest.mark.parametrize("low, high", [((0, 0, 0), (0, 0, 0)), ((1, 2, 0), (2, 0, 3))])
def test_a_convolution_takes_any_zeros_before_and_after(rng, low, high):
    x, kernel = operands(rng, (2, 5, 6), (2, 3, 3), 4)
    expected = correlation(x, kernel, stride=(2, 1, 1), low=low, high=high, groups=4)
    options = {"stride": (2, 1, 1), "low": low, "high": high, "groups": 4}
    close(depthwise.convolution(x, kernel, expected.shape[1:4], **options), expected)


@pytest.mark.parametrize("case", DEPTHWISE.values(), ids=DEPTHWISE)
def test_the_kernel_gradient_is_the_convolutions_adjoint(rng, case):
    """<convolution with k, y> = <k, gradient of y> for any k and y."""
    size, kernel, stride, padding, groups = case
    x, weights = operands(rng, size, kernel, groups)
    out = correlation(x, weights, stride=stride, low=padding, high=padding, groups=groups)
    y = rng.standard_normal(out.shape, np.float32)
    found = np.float64(jax.jit(lambda x, y: depthwise.kernel_gradient(x, y, Window(*case)))(x, y))
    assert found.shape == weights.shape
    assert abs((found * weights).sum() - (out * y).sum()) < 1e-6 * np.linalg.norm(out) * np.linalg.norm(y)


def test_a_convolution_of_each_channel_by_itself_has_no_convolution_left_in_its_program(rng):
    x, kernel = operands(rng, groups=4)

    def total(x, kernel):
        return conv3d(x, kernel, padding=(1, 1, 1), groups=4).sum()

    assert "convolution" not in jax.jit(jax.grad(total, (0, 1))).lower(x, kernel).as_text()
