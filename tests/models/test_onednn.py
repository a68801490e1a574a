import jax
import numpy as np
import pytest
from closeness import close
from correlation import correlation, operands

from r3d_jax.models import onednn, onednn_probe


@pytest.fixture
def here():
    if not onednn_probe.holds("float32", "y"):
        pytest.skip("oneDNN's convolution does not hold here")


@pytest.mark.parametrize("stride, groups", [((1, 1, 1), 1), ((2, 1, 2), 1), ((1, 2, 2), 2)])
def test_a_convolution_is_the_textbooks(here, rng, stride, groups):
    x, kernel = operands(rng, groups=groups)
    low, high = (1, 0, 2), (0, 1, 1)
    expected = correlation(x, kernel, stride=stride, low=low, high=high, groups=groups)
    options = {"stride": stride, "low": low, "high": high, "groups": groups}
    found = jax.jit(lambda x, k: onednn.convolution(x, k, expected.shape[1:4], **options))(x, kernel)
    close(found, expected)


def test_a_dilated_kernel_has_holes(here, rng):
    x, kernel = operands(rng, kernel=(2, 2, 2))
    with_holes = np.zeros((3, 4, 2, 4, 6), np.float32)
    with_holes[::2, ::3] = kernel
    expected = correlation(x, with_holes)
    options = {"low": (0, 0, 0), "high": (0, 0, 0), "dilation": (2, 3, 1)}
    close(jax.jit(lambda x, k: onednn.convolution(x, k, expected.shape[1:4], **options))(x, kernel), expected)


def test_a_convolution_back_to_the_channels_takes_the_kernel_as_it_is(here, rng):
    _, kernel = operands(rng)
    y = rng.standard_normal((2, 4, 5, 6, 6), np.float32)
    expected = correlation(y, kernel.swapaxes(3, 4), low=(1, 1, 1), high=(1, 1, 1))
    options = {"low": (1, 1, 1), "high": (1, 1, 1), "groups": 1}
    close(jax.jit(lambda y, k: onednn.transposed(y, k, (4, 5, 6), **options))(y, kernel), expected)
