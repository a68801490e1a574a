import jax
import numpy as np
import pytest
from closeness import close
from rounding import ROUNDED, rounded

from r3d_jax.models import onednn_gradient
from r3d_jax.models.onednn_gradient import kernel_gradient
from r3d_jax.models.window import Window


def drawn(rng, window, channels, features):
    """Clips of a channel's size, and their outputs' gradients."""
    x = rng.standard_normal((2, *window.size, window.groups * channels), np.float32)
    return x, rng.standard_normal((2, *window.out, window.groups * features), np.float32)


def textbook(x, y, window):
    """What each position of the kernel meets, times the gradient of what it gave, in float64."""
    met = np.pad(np.float64(x), [(0, 0), *zip(window.padding, window.padding), (0, 0)])
    met = np.lib.stride_tricks.sliding_window_view(met, window.kernel, (1, 2, 3))
    met = met[:, *(slice(None, None, stride) for stride in window.stride)]
    parts = zip(np.split(met, window.groups, 4), np.split(y, window.groups, 4))
    sums = [np.einsum("nthwcxyz,nthwf->xyzcf", *part, optimize=True) for part in parts]
    return np.concatenate(sums, -1)


@pytest.mark.parametrize(
    "size, kernel, stride, padding",
    [
        ((4, 9, 8), (3, 3, 3), (1, 1, 1), (1, 1, 1)),
        ((5, 9, 8), (3, 3, 3), (2, 2, 2), (1, 1, 1)),
        ((1, 9, 8), (3, 3, 3), (2, 1, 1), (1, 1, 1)),
        ((4, 6, 7), (3, 1, 1), (2, 2, 2), (1, 0, 0)),
        ((4, 6, 7), (1, 1, 1), (1, 2, 1), (0, 0, 0)),
        ((4, 6, 7), (1, 1, 1), (1, 1, 2), (0, 1, 1)),
        ((2, 9, 8), (1, 3, 3), (3, 1, 1), (2, 2, 2)),
    ],
    ids=["plain", "strided", "a frame", "in time", "a position", "a padded position", "taps that meet nothing"],
)
@pytest.mark.parametrize("few", [0, 1000], ids=["clip by clip", "tap by tap"])
def test_a_kernel_gradient_is_the_textbooks(here, rng, monkeypatch, size, kernel, stride, padding, few):
    monkeypatch.setattr(onednn_gradient, "FEW", few)
    window = Window(size, kernel, stride, padding, 1)
    x, y = drawn(rng, window, 3, 5)
    close(jax.jit(lambda x, y: kernel_gradient(x, y, window))(x, y), textbook(x, y, window))


@pytest.mark.parametrize(
    "size, kernel, channels, looped",
    [
        ((4, 16, 16), (3, 3, 3), 8, True),
        ((4, 15, 16), (3, 3, 3), 8, False),
        ((4, 16, 16), (3, 1, 1), 8, True),
        ((4, 16, 16), (1, 1, 1), 8, False),
    ],
)
def test_clips_are_convolved_one_by_one_where_that_is_faster(size, kernel, channels, looped):
    window = Window(size, kernel, (1, 1, 1), tuple(k // 2 for k in kernel), 1)
    x, y = (jax.ShapeDtypeStruct((2, *each, channels), np.float32) for each in (window.size, window.out))
    traced = jax.make_jaxpr(lambda x, y: kernel_gradient(x, y, window))(x, y)
    assert any(equation.primitive.name == "scan" for equation in traced.eqns) == looped


@pytest.mark.parametrize(
    "groups, channels, features, stride, padding",
    [(4, 8, 4, (1, 1, 1), (1, 1, 1)), (6, 4, 4, (2, 2, 2), (0, 2, 1)), (3, 16, 2, (1, 3, 2), (2, 1, 1))],
    ids=["two at a time", "two of six, strided", "each by itself"],
)
def test_a_kernel_gradient_of_groups_is_each_groups_own(here, rng, groups, channels, features, stride, padding):
    window = Window((4, 7, 9), (3, 2, 3), stride, padding, groups)
    x, y = drawn(rng, window, channels, features)
    close(jax.jit(lambda x, y: kernel_gradient(x, y, window))(x, y), textbook(x, y, window))


@pytest.mark.parametrize("kernel", [(3, 3, 3), (1, 1, 1)])
@pytest.mark.parametrize("few", [0, 1000], ids=["clip by clip", "tap by tap"])
def test_a_kernel_gradient_in_bfloat16_is_rounded_once(short, rng, monkeypatch, kernel, few):
    monkeypatch.setattr(onednn_gradient, "FEW", few)
    window = Window((4, 9, 8), kernel, (1, 2, 2), tuple(k // 2 for k in kernel), 1)
    given, (x, y) = rounded(*drawn(rng, window, 4, 6))
    found = jax.jit(lambda x, y: kernel_gradient(x, y, window))(*given)
    assert found.dtype == given[0].dtype
    close(found.astype(np.float32), textbook(x, y, window), ROUNDED)
