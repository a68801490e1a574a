import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import close
from correlation import correlation, operands
from rounding import ROUNDED, rounded

from r3d_jax.models import onednn


@pytest.mark.parametrize("stride, groups", [((1, 1, 1), 1), ((2, 1, 2), 1), ((1, 2, 2), 2)])
def test_a_convolution_is_the_textbooks(here, rng, stride, groups):
    x, kernel = operands(rng, groups=groups)
    low, high = (1, 0, 2), (0, 1, 1)
    expected = correlation(x, kernel, stride=stride, low=low, high=high, groups=groups)
    options = {"stride": stride, "low": low, "high": high, "groups": groups}
    found = jax.jit(lambda x, k: onednn.convolution(x, k, expected.shape[1:4], **options))(x, kernel)
    close(found, expected)


@pytest.mark.parametrize("added", [("bias",), ("shortcut",), ("bias", "shortcut")], ids="+".join)
@pytest.mark.parametrize("relu, groups", [(False, 2), (True, 1)])
def test_what_follows_a_convolution_is_added_to_it(here, rng, added, relu, groups):
    x, kernel = operands(rng, groups=groups)
    expected = correlation(x, kernel, low=(1, 1, 1), high=(1, 1, 1), groups=groups)
    values = {"bias": 9 * rng.standard_normal(6, np.float32)}
    values["shortcut"] = 9 * rng.standard_normal(expected.shape, np.float32)
    values = {name: values[name] for name in added}
    expected = sum(values.values(), expected)
    options = {"low": (1, 1, 1), "high": (1, 1, 1), "groups": groups, "relu": relu}
    function = jax.jit(lambda x, k, values: onednn.convolution(x, k, expected.shape[1:4], **options, **values))
    close(function(x, kernel, values), np.maximum(expected, 0) if relu else expected)


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


OUTER = [  # size, kernel, stride, low, high, the kernel that is left
    ((1, 4, 5), (3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1), (1, 3, 3)),
    ((2, 4, 5), (3, 3, 3), (2, 1, 1), (1, 1, 1), (1, 1, 1), (2, 3, 3)),
    ((2, 4, 1), (3, 3, 3), (1, 2, 1), (1, 1, 0), (0, 1, 2), (2, 3, 1)),
    ((2, 1, 2), (2, 7, 5), (1, 2, 4), (0, 3, 3), (0, 3, 4), (2, 1, 5)),
]


@pytest.mark.parametrize("size, kernel, stride, low, high, left", OUTER)
def test_kernel_positions_that_meet_zeros_alone_are_left_out(here, rng, size, kernel, stride, low, high, left):
    x, kernel = rng.standard_normal((2, *size, 4), np.float32), rng.standard_normal((*kernel, 4, 6), np.float32)
    expected = correlation(x, kernel, stride=stride, low=low, high=high)

    @jax.jit
    def convolution(x, k):
        return onednn.convolution(x, k, expected.shape[1:4], stride=stride, low=low, high=high)

    close(convolution(x, kernel), expected)
    assert f"tensor<{'x'.join(map(str, left))}x4x6xf32>" in convolution.lower(x, kernel).as_text()


@pytest.mark.parametrize("groups", [1, 2])
def test_a_result_in_bfloat16_is_rounded_once(short, rng, groups):
    given, (x, kernel) = rounded(*operands(rng, groups=groups))
    expected = correlation(x, kernel, stride=(2, 1, 2), low=(1, 0, 2), high=(0, 1, 1), groups=groups)
    options = {"stride": (2, 1, 2), "low": (1, 0, 2), "high": (0, 1, 1), "groups": groups}
    found = jax.jit(lambda x, k: onednn.convolution(x, k, expected.shape[1:4], **options))(*given)
    assert found.dtype == jnp.bfloat16
    close(found.astype(np.float32), expected, ROUNDED)
