from functools import partial

import jax
import numpy as np
import pytest
from closeness import close
from trunks import SOON, TINY, draw_variables

from r3d_jax.models import conv3d, fused, onednn_probe
from r3d_jax.models.classifier import build
from r3d_jax.models.fused import fused as fuse
from r3d_jax.models.predict import features_fn, predict_views

NETWORKS = {
    "basic": ("r3d_18", TINY),
    "pre-activated": ("kenshohara_preresnet_200", {"blocks": (1, 1), "planes": 4, "stem_planes": 4}),
    "in groups": ("resnext3d_101_32x8d", TINY | {"groups": 2, "width_per_group": 4}),
    "each channel by itself": ("ircsn_50", TINY),
    "factorised": ("r2plus1d_18", TINY),
    "without projections": ("kenshohara_r3d_18_a", TINY),
}


@pytest.fixture
def here(monkeypatch):
    """oneDNN for all convolutions."""
    if not onednn_probe.holds("float32", "fused y"):
        pytest.skip("oneDNN's convolution does not hold here")
    monkeypatch.setattr(conv3d, "WORTHWHILE", 0)


def drawn(name):
    preset, options = NETWORKS[name]
    model = build(preset, 3, pool=(1, 1, 1), **options)
    rng = np.random.default_rng(1)
    # Of both signs, as weights are; variances stay positive.
    variables = draw_variables(model)
    return model, variables | {
        "params": jax.tree.map(lambda x: x * rng.choice([-1, 1], x.shape).astype(np.float32), variables["params"])
    }


def clips_of(rng, size=(4, 16, 18)):
    return rng.integers(0, 256, (1, 2, *size, 3), np.uint8)


def value(found, variables, *arrays):
    return jax.jit(found.run, compiler_options=SOON)(found.prepare(variables), *arrays)


def counts(function, *arguments):
    """How often each operation of interest is in the program."""
    text = str(jax.make_jaxpr(function)(*arguments))
    return {name: text.count(f" = {name}[") + text.count(f" = {name} ") for name in ("conv3d", "fused_conv3d", "max")}


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_a_fused_network_gives_the_networks_logits(here, rng, name):
    model, variables = drawn(name)
    function, clips = partial(predict_views, model=model), clips_of(rng)
    found = fuse(function, variables, clips)
    expected = jax.jit(function, compiler_options=SOON)(variables, clips)
    close(value(found, variables, clips), expected)
    whole, left = counts(function, variables, clips), counts(found.run, found.prepare(variables), clips)
    assert left["fused_conv3d"] > 0.5 * whole["conv3d"] and left["max"] < whole["max"]


def test_of_a_basic_network_nothing_is_left_between_the_convolutions(here, rng):
    model, variables = drawn("basic")
    clips = clips_of(rng)
    found = fuse(partial(predict_views, model=model), variables, clips)
    left = counts(found.run, found.prepare(variables), clips)
    assert left == {"conv3d": 0, "fused_conv3d": 6, "max": 0}


@pytest.mark.slow
def test_in_bfloat16_the_logits_are_as_close_as_unfused(here, takes_bfloat16, monkeypatch, rng):
    if not takes_bfloat16:
        pytest.skip("oneDNN's convolution in bfloat16 does not hold here")
    model, variables = drawn("basic")
    clips = np.concatenate([clips_of(rng) for _ in range(8)])  # many logits, so that no single rounding decides
    exact = np.asarray(jax.jit(partial(predict_views, model=model), compiler_options=SOON)(variables, clips))
    monkeypatch.setattr(onednn_probe, "holds", lambda dtype, kind: True)
    function = partial(predict_views, model=model, dtype="bfloat16")
    found = fuse(function, variables, clips)
    prepared = found.prepare(variables)
    assert counts(found.run, prepared, clips) == {"conv3d": 0, "fused_conv3d": 6, "max": 0}
    unfused = np.asarray(jax.jit(function, compiler_options=SOON)(variables, clips))
    assert np.abs(value(found, variables, clips) - exact).max() < 2 * np.abs(unfused - exact).max()


def test_what_others_take_too_is_left(here, rng):
    """Outputs of blocks between others; and gradients, which ask where a ReLU was open."""
    model, variables = drawn("basic")
    clips, blocks = clips_of(rng), model.trunk.block_names()

    def function(variables, clips):
        features = partial(features_fn, variables, model=model, blocks=blocks)
        logits, back = jax.vjp(lambda shift: predict_views(variables, clips, model=model) * (1 + shift), 0.5)
        return features(clips), logits, back(logits)

    found = fuse(function, variables, clips)
    expected = jax.jit(function, compiler_options=SOON)(variables, clips)
    jax.tree.map(close, value(found, variables, clips), expected)


def test_a_value_that_is_taken_twice_is_not_lost(here, rng):
    kernel, x = rng.standard_normal((1, 3, 3, 16, 16), np.float32), rng.standard_normal((1, 2, 6, 7, 16), np.float32)

    def function(variables, x):
        y = conv3d.conv3d(x, variables["kernel"], padding=(0, 1, 1)) * variables["scale"]
        z = conv3d.conv3d(x, variables["kernel"] * 2, padding=(0, 1, 1)) + variables["shift"]
        z = z * (variables["shift"] + 1)
        return jax.nn.relu(y + y) + z * y, jax.nn.relu(z)

    variables = {"kernel": kernel, "scale": np.float32(3), "shift": rng.standard_normal(16, np.float32)}
    found = fuse(function, variables, x)
    jax.tree.map(close, value(found, variables, x), function(variables, x))


def test_other_weights_are_prepared_again(here, rng):
    model, variables = drawn("basic")
    function, clips = partial(predict_views, model=model), clips_of(rng)
    found = fuse(function, variables, clips)
    others = jax.tree.map(lambda x: np.float32(1.3) * x, variables)
    close(value(found, others, clips), jax.jit(function, compiler_options=SOON)(others, clips))


def test_sizes_with_the_same_kernels_share_what_is_prepared(here, rng):
    model, variables = drawn("basic")
    keys = [
        fuse(partial(predict_views, model=model), variables, clips_of(rng, size)).key
        for size in ((4, 16, 18), (4, 18, 16), (1, 16, 18))  # of one frame, kernels lose what would meet zeros
    ]
    assert keys[0] == keys[1] != keys[2]


def test_nothing_is_fused_where_no_convolution_is_worth_it(monkeypatch, rng):
    model, variables = drawn("basic")
    function, clips = partial(predict_views, model=model), clips_of(rng)
    assert fuse(function, variables, clips) is None
    monkeypatch.setattr(conv3d, "WORTHWHILE", 0)
    monkeypatch.setenv(onednn_probe.SWITCH, "0")
    assert fuse(function, variables, clips) is None
    monkeypatch.delenv(onednn_probe.SWITCH)
    monkeypatch.setattr(fused.jax, "default_backend", lambda: "gpu")
    assert fuse(function, variables, clips) is None
