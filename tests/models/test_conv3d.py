import math
import re
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import close
from correlation import CASES, correlation, operands
from jax import lax
from jax.sharding import PartitionSpec

from r3d_jax.models import conv3d as module
from r3d_jax.models import onednn_probe
from r3d_jax.models.conv3d import conv3d


@pytest.fixture
def everything_worthwhile(monkeypatch):
    """oneDNN even for the tiny shapes of tests."""
    if not onednn_probe.holds("float32", "y"):
        pytest.skip("oneDNN's convolution does not hold here")
    monkeypatch.setattr(module, "WORTHWHILE", 0)


@pytest.fixture(params=["portable", "onednn", "native"])
def lowering(request, monkeypatch):
    if request.param == "onednn":
        request.getfixturevalue("everything_worthwhile")
    else:
        monkeypatch.setattr(module, "WORTHWHILE", math.inf)
    if request.param == "native":  # what a GPU or a TPU runs
        monkeypatch.setattr(module, "portable", module.native)


def direct(stride, padding, groups=1):
    return partial(
        lax.conv_general_dilated,
        window_strides=stride,
        padding=[(p, p) for p in padding],
        dimension_numbers=("NDHWC", "DHWIO", "NDHWC"),
        feature_group_count=groups,
    )


def values_and_gradients(convolve, case):
    """Of a function that is new, so that nothing compiled before is taken."""
    rng = np.random.default_rng(0)
    x, weights = operands(rng, case[0], case[1], case[4])
    weighting = rng.standard_normal(jax.eval_shape(convolve, x, weights).shape, np.float32)

    @jax.jit
    def both(x, weights):
        values, gradients = jax.vjp(convolve, x, weights)
        return values, gradients(weighting)

    return jax.device_get(both(x, weights))


@cache
def reference(case):
    return values_and_gradients(direct(*case[2:]), case)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_values_and_gradients_are_those_of_the_3d_convolution(lowering, case):
    *_, stride, padding, groups = case
    found = values_and_gradients(lambda x, w: conv3d(x, w, stride, padding=padding, groups=groups), case)
    close(found, reference(case))


def test_values_are_as_exact_as_sums_in_float32_can_be(rng, lowering):
    """Not as inexact as products of a GPU's or a server's shorter floats, which are 1e-3 and more away."""
    x = rng.standard_normal((1, 3, 8, 8, 64), np.float32)
    weights = rng.standard_normal((3, 3, 3, 64, 64), np.float32)
    found = jax.jit(lambda x, w: conv3d(x, w, padding=(1, 1, 1)))(x, weights)
    expected = correlation(x, weights, low=(1, 1, 1), high=(1, 1, 1))
    terms = 27 * 64  # added one by one, whose roundings of 2 ** -24 add up like a random walk
    assert np.linalg.norm(found - expected) < 2**-24 * np.sqrt(terms) * np.linalg.norm(expected)


@pytest.mark.slow
def test_can_be_differentiated_forwards_and_twice(rng, everything_worthwhile):
    reference, x_and_weights = direct((1, 2, 2), (1, 1, 1)), operands(rng)

    def forwards(convolve):
        return jax.jit(partial(jax.jvp, convolve))(x_and_weights, jax.tree.map(np.cos, x_and_weights))

    def twice(convolve):
        def slope(x, weights):
            return jnp.sum(jax.grad(lambda x: jnp.sum(convolve(x, weights) ** 2))(x) ** 2)

        return jax.jit(jax.grad(slope, (0, 1)))(*x_and_weights)

    def ours(x, weights):
        return conv3d(x, weights, (1, 2, 2), padding=(1, 1, 1))

    close(forwards(ours), forwards(reference))
    close(twice(ours), twice(reference))


@pytest.mark.slow
@pytest.mark.parametrize("axes", [(0, None), (None, 0), (1, 0)], ids=["clips", "kernels", "both"])
def test_maps_over_clips_and_kernels(rng, everything_worthwhile, axes):
    x, weights = operands(rng)
    x, weights = (one if axis is None else np.stack([one, np.sin(one)], axis) for one, axis in zip((x, weights), axes))

    def mapped(convolve):
        def loss(x, weights):
            return jnp.sum(convolve(x, weights) ** 2)

        return jax.jit(jax.vmap(jax.value_and_grad(loss, (0, 1)), axes))(x, weights)

    close(mapped(lambda x, w: conv3d(x, w, padding=(1, 1, 1))), mapped(direct((1, 1, 1), (1, 1, 1))))


def test_gradients_of_a_shared_kernel_add_up_over_devices(rng, everything_worthwhile):
    x, weights = operands(rng)
    mesh = jax.make_mesh((2,), ("devices",), axis_types=(jax.sharding.AxisType.Auto,))

    def gradient(x, weights):
        return jax.grad(lambda w: jnp.sum(conv3d(x, w, padding=(1, 1, 1)) ** 2))(weights)

    over, whole = PartitionSpec("devices"), PartitionSpec()
    shared = jax.jit(jax.shard_map(gradient, mesh=mesh, in_specs=(over, whole), out_specs=whole))
    close(shared(x, weights), jax.jit(gradient)(x, weights))


def layer(x, weights, groups=1):
    return conv3d(x, weights, padding=(1, 1, 1), groups=groups)


def test_all_but_the_tiniest_convolutions_on_a_cpu_are_onednns():
    if not onednn_probe.holds("float32", "y"):
        pytest.skip("oneDNN's convolution does not hold here")
    x, weights = np.zeros((1, 8, 56, 56, 64), np.float32), np.zeros((3, 3, 3, 64, 64), np.float32)
    gradients = jax.jit(lambda x, w: jax.vjp(layer, x, w)[1](x))
    assert gradients.lower(x, weights).as_text().count("r3d_jax_onednn") == 2
    assert "onednn" not in gradients.lower(x[:, :1, :4, :4], weights).as_text()
    # Of groups too, but of channels each by itself no gradients.
    of_groups = jax.jit(lambda x, w: jax.vjp(partial(layer, groups=x.shape[4] // w.shape[3]), x, w)[1](x))
    x = x[:, :2]
    assert of_groups.lower(x, weights[:, :, :, :4]).as_text().count("r3d_jax_onednn") == 2
    x, weights = np.zeros((4, 16, 56, 56, 64), np.float32), weights[:, :, :, :1]
    assert "onednn" not in of_groups.lower(x, weights).as_text()
    assert "onednn" in jax.jit(partial(layer, groups=64)).lower(x, weights).as_text()


@pytest.mark.slow
@pytest.mark.parametrize("held", [("float32", "bfloat16"), ("float32",), ()], ids=["native", "in float32", "portable"])
@pytest.mark.parametrize("groups", [1, 2])
def test_bfloat16_is_multiplied_as_such_or_in_float32(everything_worthwhile, takes_bfloat16, monkeypatch, held, groups):
    if "bfloat16" in held and not takes_bfloat16:
        pytest.skip("oneDNN's convolution in bfloat16 does not hold here")
    monkeypatch.setattr(onednn_probe, "holds", lambda dtype, kind: dtype in held)
    x, weights = (each.astype(jnp.bfloat16) for each in operands(np.random.default_rng(0), groups=groups))
    convolutions = [lambda x, w: conv3d(x, w, (1, 2, 2), padding=(1, 1, 1), groups=groups)]
    convolutions.append(direct((1, 2, 2), (1, 1, 1), groups))
    ours, theirs = (jax.jit(lambda x, w, f=f: jax.vjp(f, x, w)[1](jnp.cos(f(x, w)))) for f in convolutions)
    found = ours(x, weights)
    assert {each.dtype for each in found} == {jnp.dtype(jnp.bfloat16)}
    exact = theirs(x.astype(np.float32), weights.astype(np.float32))
    # The cosine of a rounded value is 2 ** -8 away times that value, which is up to 40 here.
    close([each.astype(np.float32) for each in found], exact, 0.05)
    text = ours.lower(x, weights).as_text()
    calls = [line for line in text.splitlines() if "r3d_jax_onednn" in line]
    assert bool(calls) == bool(held) and all(("bf16" in line) == ("bfloat16" in held) for line in calls)


def test_exported_programs_have_nothing_of_this_machine(everything_worthwhile, rng):
    x, weights = operands(rng)
    batch = jax.export.symbolic_shape("batch")
    shape = jax.ShapeDtypeStruct((*batch, *x.shape[1:]), np.float32)
    exported = jax.export.export(jax.jit(layer), platforms=["cpu", "cuda", "tpu"])(shape, weights)
    assert "onednn" not in exported.mlir_module()
    close(exported.call(x, weights), direct((1, 1, 1), (1, 1, 1))(x, weights))


@pytest.mark.parametrize("dtype, groups, axes", [("bfloat16", 1, 4), ("float32", 1, 5), ("bfloat16", 2, 5)])
def test_on_nvidias_gpus_short_floats_are_convolved_in_2d(dtype, groups, axes):
    """In XLA's 3-D convolutions, three tenths of a training step went into turning clips round."""
    x = jax.ShapeDtypeStruct((2, 4, 9, 8, 4), dtype)
    kernel = jax.ShapeDtypeStruct((3, 3, 3, 4 // groups, 6), dtype)

    def values(x, kernel):
        return conv3d(x, kernel, padding=(1, 1, 1), groups=groups)

    program = jax.export.export(jax.jit(values), platforms=["cuda"])(x, kernel).mlir_module()
    (line,) = (line for line in program.splitlines() if "stablehlo.convolution" in line)
    assert len(re.search(r"-> tensor<([\dx]+)x", line)[1].split("x")) == axes
