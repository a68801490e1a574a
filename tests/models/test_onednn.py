import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import close
from correlation import CASES, correlation, operands
from rounding import ROUNDED, rounded

from r3d_jax.models import onednn, onednn_plan
from r3d_jax.models.conv3d import native
from r3d_jax.models.window import OPERANDS, Window


def exact(arrays, wanted, window):
    """The plain convolution, or its gradient, in float32."""
    return native(*(arrays[name] for name in OPERANDS[wanted]), wanted=wanted, window=window)


def drawn(rng, case):
    size, kernel, stride, padding, groups = CASES[case]
    x, kernel = operands(rng, size, kernel, groups)
    window = Window(size, kernel.shape[:3], stride, padding, groups)
    return window, {"x": x, "k": kernel, "y": rng.standard_normal((2, *window.out, kernel.shape[4]), np.float32)}


FORMS = [(case, wanted) for case in CASES for wanted in ("y" if "depthwise" in case else "yxk")]
FORMS.remove(("depthwise, too much padding", "y"))


@pytest.mark.parametrize("case, wanted", FORMS)
def test_a_convolution_and_its_gradients_are_the_plain_ones(here, rng, case, wanted):
    window, arrays = drawn(rng, case)
    found = jax.jit(lambda a, b: onednn.convolution(a, b, wanted=wanted, window=window))
    close(found(*(arrays[name] for name in OPERANDS[wanted])), exact(arrays, wanted, window))


def test_of_channels_by_themselves_there_are_values_alone():
    window = Window((4, 9, 8), (3, 3, 3), (1, 1, 1), (1, 1, 1), 4)
    assert [onednn.has(4, 4, wanted, window) for wanted in "yxk"] == [True, False, False]
    assert all(onednn.has(4, 8, wanted, window) for wanted in "yxk")
    assert not onednn.has(4, 4, "y", window._replace(padding=(3, 1, 1)))  # outputs that meet padding alone


@pytest.mark.parametrize("case, wanted", FORMS)
def test_a_result_in_bfloat16_is_rounded_once(short, rng, case, wanted):
    window, arrays = drawn(rng, case)
    given, rough = (dict(zip(arrays, each)) for each in rounded(*arrays.values()))
    function = jax.jit(lambda a, b: onednn.convolution(a, b, wanted=wanted, window=window))
    found = function(*(given[name] for name in OPERANDS[wanted]))
    assert found.dtype == jnp.bfloat16
    close(found.astype(np.float32), exact(rough, wanted, window), ROUNDED)


def following(rng, shape, added):
    values = {"bias": 9 * rng.standard_normal(shape[4:], np.float32)}
    values["shortcut"] = 9 * rng.standard_normal(shape, np.float32)
    return {name: values[name] for name in added}


@pytest.mark.parametrize("added", [(), ("bias",), ("shortcut",), ("bias", "shortcut")], ids="+".join)
@pytest.mark.parametrize("relu, case", [(False, "grouped"), (True, "one frame"), (True, "depthwise, strided")])
def test_what_follows_a_convolution_is_added_to_it(here, rng, added, relu, case):
    window, arrays = drawn(rng, case)
    x, kernel = arrays["x"], arrays["k"]
    sides = {"low": window.padding, "high": window.padding}
    expected = correlation(x, kernel, stride=window.stride, groups=window.groups, **sides)
    values = following(rng, expected.shape, added)
    expected = sum(values.values(), expected)
    of = onednn.followed_by(x, window, kernel.shape[4], x.dtype, added, relu)
    found = jax.jit(lambda *operands: onednn.run(of, *operands))(x, onednn_plan.prepared(kernel, of), *values.values())
    close(found, np.maximum(expected, 0) if relu else expected)


@pytest.mark.parametrize("case", ["plain", "depthwise"])
@pytest.mark.parametrize("out", ["float32", "bfloat16"])
def test_in_bfloat16_too_and_only_the_end_is_rounded(short, rng, case, out):
    window, arrays = drawn(rng, case)
    (x, kernel, shortcut), rough = rounded(arrays["x"], arrays["k"], arrays["y"])
    sides = {"low": window.padding, "high": window.padding}
    expected = correlation(*rough[:2], stride=window.stride, groups=window.groups, **sides)
    bias = rng.standard_normal(kernel.shape[4], np.float32)
    of = onednn.followed_by(x, window, kernel.shape[4], out, ("bias", "shortcut"), False)
    run = jax.jit(lambda *operands: onednn.run(of, *operands))
    found = run(x, onednn_plan.prepared(np.asarray(kernel), of), bias, shortcut.astype(out))
    assert found.dtype == out
    close(found.astype(np.float32), expected + bias + rough[2], 1e-5 if out == "float32" else ROUNDED)
