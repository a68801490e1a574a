import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import close
from correlation import correlation, operands

from r3d_jax.models import onednn, onednn_probe
from r3d_jax.models.window import Window


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


@pytest.mark.parametrize(
    "groups, channels, features, stride, padding",
    [(4, 8, 4, (1, 1, 1), (1, 1, 1)), (6, 4, 4, (2, 2, 2), (0, 2, 1)), (3, 16, 2, (1, 3, 2), (2, 1, 1))],
    ids=["two at a time", "two of six, strided", "each by itself"],
)
def test_a_kernel_gradient_of_groups_is_each_groups_own(here, rng, groups, channels, features, stride, padding):
    window = Window((4, 7, 9), (3, 2, 3), stride, padding, groups)
    x = rng.standard_normal((2, *window.size, groups * channels), np.float32)
    y = rng.standard_normal((2, *window.out, groups * features), np.float32)
    met = np.pad(x, [(0, 0), *zip(padding, padding), (0, 0)])
    met = np.lib.stride_tricks.sliding_window_view(met, window.kernel, (1, 2, 3))
    met = met[:, :: stride[0], :: stride[1], :: stride[2]]
    parts = zip(np.split(met, groups, 4), np.split(y, groups, 4))
    expected = np.concatenate([np.einsum("nthwcxyz,nthwf->xyzcf", *part, optimize=True) for part in parts], -1)
    close(jax.jit(lambda x, y: onednn.kernel_gradient(x, y, window))(x, y), expected)


@pytest.fixture
def short(takes_bfloat16):
    if not takes_bfloat16:
        pytest.skip("oneDNN's convolution in bfloat16 does not hold here")


ROUNDED = 2**-8  # what one rounding to bfloat16 may move, and more


def rounded(*arrays):
    """In bfloat16, and what they are then in float32."""
    arrays = [jnp.asarray(x, jnp.bfloat16) for x in arrays]
    return arrays, [np.asarray(x, np.float32) for x in arrays]


@pytest.mark.parametrize("groups", [1, 2])
def test_a_result_in_bfloat16_is_rounded_once(short, rng, groups):
    given, (x, kernel) = rounded(*operands(rng, groups=groups))
    expected = correlation(x, kernel, stride=(2, 1, 2), low=(1, 0, 2), high=(0, 1, 1), groups=groups)
    options = {"stride": (2, 1, 2), "low": (1, 0, 2), "high": (0, 1, 1), "groups": groups}
    found = jax.jit(lambda x, k: onednn.convolution(x, k, expected.shape[1:4], **options))(*given)
    assert found.dtype == jnp.bfloat16
    close(found.astype(np.float32), expected, ROUNDED)


@pytest.mark.parametrize("kernel", [(3, 3, 3), (1, 1, 1)])
def test_a_kernel_gradient_in_bfloat16_is_rounded_once(short, rng, kernel):
    window = Window((4, 9, 8), kernel, (1, 2, 2), tuple(k // 2 for k in kernel), 1)
    given, (x, y) = rounded(rng.standard_normal((2, *window.size, 4)), rng.standard_normal((2, *window.out, 6)))
    # The value that each kernel position adds to the output, in the textbook's way, is linear in that position.
    expected = np.zeros((*kernel, 4, 6))
    for position in np.ndindex(*kernel):
        one = np.zeros((*kernel, 1, 1), np.float32)
        one[position] = 1
        low = high = window.padding
        for channel in range(4):
            seen = correlation(x[..., channel : channel + 1], one, stride=window.stride, low=low, high=high)
            expected[position][channel] = (seen * y).sum((0, 1, 2, 3))
    found = jax.jit(lambda x, y: onednn.kernel_gradient(x, y, window))(*given)
    assert found.dtype == jnp.bfloat16
    close(found.astype(np.float32), expected, ROUNDED)
