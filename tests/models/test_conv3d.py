from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import PartitionSpec

from r3d_jax.models import conv3d as module
from r3d_jax.models import onednn
from r3d_jax.models.conv3d import conv3d

CASES = {  # time, kernel, stride, padding, groups
    "stem": (4, (3, 7, 7), (1, 2, 2), (1, 3, 3), 1),
    "plain": (3, (3, 3, 3), (1, 1, 1), (1, 1, 1), 1),
    "strided in time": (5, (3, 3, 3), (2, 2, 2), (1, 1, 1), 1),
    "one frame": (1, (3, 3, 3), (2, 1, 1), (1, 1, 1), 1),
    "projection": (4, (1, 1, 1), (2, 2, 2), (0, 0, 0), 1),
    "pointwise": (2, (1, 1, 1), (1, 1, 1), (0, 0, 0), 1),
    "padded pointwise": (2, (1, 1, 1), (1, 1, 2), (0, 1, 1), 1),
    "grouped": (3, (3, 3, 3), (1, 1, 1), (1, 1, 1), 2),
    "stride above kernel": (7, (1, 3, 3), (3, 1, 1), (0, 1, 1), 1),
    "wide padding": (2, (5, 3, 3), (1, 1, 1), (2, 1, 1), 1),
    "no padding": (6, (3, 3, 3), (1, 2, 2), (0, 0, 0), 1),
    "too much padding": (4, (1, 3, 3), (1, 2, 2), (2, 2, 2), 1),
}


@pytest.fixture
def everything_worthwhile(monkeypatch):
    """oneDNN even for the tiny shapes of tests."""
    if not onednn.available():
        pytest.skip("this jaxlib is not one that oneDNN's call is trusted in")
    monkeypatch.setattr(module, "WORTHWHILE", 0)


@pytest.fixture(params=["taps", "onednn", "native"])
def lowering(request, monkeypatch):
    if request.param == "onednn":
        request.getfixturevalue("everything_worthwhile")
    if request.param == "native":  # what a GPU or a TPU runs
        monkeypatch.setattr(module, "_taps", module._native)


def direct(stride, padding, groups=1):
    return partial(
        lax.conv_general_dilated,
        window_strides=stride,
        padding=[(p, p) for p in padding],
        dimension_numbers=("NDHWC", "DHWIO", "NDHWC"),
        feature_group_count=groups,
    )


def operands(rng, time=4, kernel=(3, 3, 3), groups=1):
    x = rng.standard_normal((2, time, 9, 8, 4), np.float32)
    return x, rng.standard_normal((*kernel, 4 // groups, 6), np.float32)


def close(found, expected, tolerance=2e-6):
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert one.shape == other.shape
        assert np.abs(one - other).max() <= tolerance * np.abs(other).max()


@pytest.mark.parametrize("time, kernel, stride, padding, groups", CASES.values(), ids=CASES)
def test_values_and_gradients_are_those_of_the_3d_convolution(rng, lowering, time, kernel, stride, padding, groups):
    reference = direct(stride, padding, groups)
    x, weights = operands(rng, time, kernel, groups)
    weighting = rng.standard_normal(jax.eval_shape(reference, x, weights).shape, np.float32)

    @partial(jax.jit, static_argnums=2)  # of new functions, so that nothing compiled before is taken
    def values_and_gradients(x, weights, convolve):
        values, gradients = jax.vjp(convolve, x, weights)
        return values, gradients(weighting)

    found = values_and_gradients(x, weights, lambda x, w: conv3d(x, w, stride, padding=padding, groups=groups))
    close(found, values_and_gradients(x, weights, reference))


def exact(x, weights, padding):
    """The convolution at stride 1, accumulated in float64."""
    x = np.pad(x.astype(np.float64), [(0, 0), *((p, p) for p in padding), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(x, weights.shape[:3], (1, 2, 3))
    return np.einsum("nthwcxyz,xyzck->nthwk", windows, weights.astype(np.float64), optimize=True)


def test_values_are_within_1e_6_of_an_accumulation_in_float64(rng, lowering):
    x = rng.standard_normal((1, 3, 8, 8, 64), np.float32)
    weights = rng.standard_normal((3, 3, 3, 64, 64), np.float32)
    found = jax.jit(lambda x, w: conv3d(x, w, padding=(1, 1, 1)))(x, weights)
    expected = exact(x, weights, (1, 1, 1))
    assert np.linalg.norm(found - expected) < 1e-6 * np.linalg.norm(expected)


def test_can_be_differentiated_forwards_and_twice(rng, everything_worthwhile):
    reference, x_and_weights = direct((1, 2, 2), (1, 1, 1)), operands(rng)

    def forwards(convolve):
        return jax.jvp(convolve, x_and_weights, jax.tree.map(np.cos, x_and_weights))

    def twice(convolve):
        def slope(x, weights):
            return jnp.sum(jax.grad(lambda x: jnp.sum(convolve(x, weights) ** 2))(x) ** 2)

        return jax.grad(slope, (0, 1))(*x_and_weights)

    def ours(x, weights):
        return conv3d(x, weights, (1, 2, 2), padding=(1, 1, 1))

    close(forwards(ours), forwards(reference))
    close(twice(ours), twice(reference), 5e-6)


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (1, 0)], ids=["clips", "kernels", "both"])
def test_maps_over_clips_and_kernels(rng, everything_worthwhile, axes):
    x, weights = operands(rng)
    x, weights = (one if axis is None else np.stack([one, np.sin(one)], axis) for one, axis in zip((x, weights), axes))

    def mapped(convolve):
        def loss(x, weights):
            return jnp.sum(convolve(x, weights) ** 2)

        return jax.vmap(jax.value_and_grad(loss, (0, 1)), axes)(x, weights)

    close(mapped(lambda x, w: conv3d(x, w, padding=(1, 1, 1))), mapped(direct((1, 1, 1), (1, 1, 1))), 5e-6)


def test_gradients_of_a_shared_kernel_add_up_over_devices(rng, everything_worthwhile):
    x, weights = operands(rng)
    mesh = jax.make_mesh((2,), ("devices",), axis_types=(jax.sharding.AxisType.Auto,))

    def gradient(x, weights):
        return jax.grad(lambda w: jnp.sum(conv3d(x, w, padding=(1, 1, 1)) ** 2))(weights)

    over, whole = PartitionSpec("devices"), PartitionSpec()
    shared = jax.jit(jax.shard_map(gradient, mesh=mesh, in_specs=(over, whole), out_specs=whole))
    close(shared(x, weights), gradient(x, weights))


def layer(x, weights):
    return conv3d(x, weights, padding=(1, 1, 1))


def test_large_convolutions_on_a_cpu_are_onednns():
    if not onednn.available():
        pytest.skip("this jaxlib is not one that oneDNN's call is trusted in")
    x, weights = np.zeros((1, 8, 56, 56, 64), np.float32), np.zeros((3, 3, 3, 64, 64), np.float32)
    gradients = jax.jit(lambda x, w: jax.vjp(layer, x, w)[1](x))
    assert gradients.lower(x, weights).as_text().count("__onednn$convolution") == 2
    assert "__onednn" not in gradients.lower(x[:, :1, :8, :8], weights).as_text()


def test_exported_programs_have_nothing_of_this_machine(everything_worthwhile, rng):
    x, weights = operands(rng)
    batch = jax.export.symbolic_shape("batch")
    shape = jax.ShapeDtypeStruct((*batch, *x.shape[1:]), np.float32)
    exported = jax.export.export(jax.jit(layer), platforms=["cpu", "cuda", "tpu"])(shape, weights)
    assert "onednn" not in exported.mlir_module()
    close(exported.call(x, weights), direct((1, 1, 1), (1, 1, 1))(x, weights))


def test_what_runs_onednn_stays_out_of_the_compilation_cache(everything_worthwhile, rng):
    def with_onednn(x, weights):
        return jnp.tanh(layer(x, weights))

    def without(x, weights):
        return jnp.tanh(x) + weights.sum()

    least = jax.config.jax_persistent_cache_min_compile_time_secs
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    try:
        for function in (with_onednn, without):
            jax.jit(function)(*operands(rng)).block_until_ready()
    finally:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", least)
    stored = [path.name for path in Path(jax.config.jax_compilation_cache_dir).iterdir()]
    assert [name for name in stored if name.startswith("jit_without-")]
    assert not [name for name in stored if name.startswith("jit_with_onednn-")]
