from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from seeded import case_of, tensors
from siblings import check_golden, check_stages, stages, tiny

from r3d_jax.models.blocks import Conv3D
from r3d_jax.models.classifier import abstract_variables, build
from r3d_jax.models.cost import cost, parameters
from r3d_jax.models.norm import BatchNorm
from r3d_jax.models.x3d import X3D, SqueezeExcitation, X3DBlock, rounded
from r3d_jax.weights.torch_names import from_torch

NAME = "ptv_x3d_s"
LASTS = enumerate((2, 4, 10, 6), start=1)
PLACES = {"stem": "stem-path0"} | {f"stage{s}": f"pathway0-stage{s}-block{b}" for s, b in LASTS}
MODEL = build("x3d_s", 400)


@pytest.mark.slow
@pytest.mark.parametrize("double", [False, True])
def test_stages_and_logits_are_pytorchvideos(double):
    check_golden(NAME, MODEL, PLACES, double=double)


def relu_for_swish(monkeypatch):
    monkeypatch.setattr(nn, "swish", nn.relu)


def swish_before_squeezing(monkeypatch):
    whole = SqueezeExcitation.__call__
    monkeypatch.setattr(SqueezeExcitation, "__call__", lambda self, x: whole(self, nn.swish(x)))


def swish_for_sigmoid(monkeypatch):
    monkeypatch.setattr(nn, "sigmoid", jax.nn.swish)


def no_squeezing(monkeypatch):
    monkeypatch.setattr(SqueezeExcitation, "__call__", lambda self, x: x)


def shortcut_elsewhere(monkeypatch):
    whole = Conv3D.__call__
    later = lambda self, x: whole(self, jnp.roll(x, -1, (2, 3)) if self.name == "shortcut" else x)  # noqa: E731
    monkeypatch.setattr(Conv3D, "__call__", later)


def relu_within_the_stem(monkeypatch):
    whole = Conv3D.__call__
    clipped = lambda self, x: whole(self, nn.relu(x) if self.spec.kernel == (5, 1, 1) else x)  # noqa: E731
    monkeypatch.setattr(Conv3D, "__call__", clipped)


MUTANTS = [relu_for_swish, swish_before_squeezing, swish_for_sigmoid, no_squeezing, shortcut_elsewhere]


@pytest.mark.slow
@pytest.mark.parametrize("mutate", [*MUTANTS, relu_within_the_stem])
def test_a_broken_network_is_noticed(mutate, monkeypatch):
    mutate(monkeypatch)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_stages(NAME, stages(NAME, MODEL, {"stage1": PLACES["stage1"]}))


@pytest.mark.slow
def test_squeezing_in_other_blocks_or_to_other_widths_is_noticed_by_the_tensors(monkeypatch):
    given = tensors(case_of(NAME))
    monkeypatch.setattr(X3D, "_squeezed", lambda self, block, inner: rounded(inner / 16) if block % 2 else 0)
    with pytest.raises(ValueError, match=r"missing: blocks.1.res_blocks.1.branch2.norm_b.1.block.0.weight"):
        from_torch(given, MODEL.clone(mean=(0.1,) * 3))  # another network: shapes are made out once for each
    monkeypatch.setattr(X3D, "_squeezed", lambda self, block, inner: 0 if block % 2 else 8)
    with pytest.raises(ValueError, match=r"misshaped: blocks.3.res_blocks.0.branch2.norm_b.1.block.0.weight"):
        from_torch(given, MODEL.clone(mean=(0.2,) * 3))


def test_parameters_and_multiply_adds_are_pytorchvideos():
    options = case_of(NAME)
    assert cost(MODEL, tuple(options["input_shape"][2:])) == (options["parameters"], options["multiply_adds"])


def test_widths_are_rounded_as_in_the_papers_code():
    assert [rounded(width) for width in (3.375, 6.75, 13.5, 27, 12, 20)] == [8, 8, 16, 32, 16, 24]


@pytest.mark.parametrize("shortcut_norm", [False, True])
def test_a_projection_that_keeps_the_number_of_channels_has_batch_norm_or_not(shortcut_norm):
    params = abstract_variables(tiny("x3d_s", shortcut_norm=shortcut_norm))["params"]["trunk"]
    first, second = (set(params[f"pathway0-stage{s}-block0"]["shortcut"]) for s in (1, 2))
    assert first == ({"conv1", "bn1"} if shortcut_norm else {"kernel"}) and second == {"conv1", "bn1"}
    assert "shortcut" not in params["pathway0-stage1-block1"]


def test_every_other_block_is_squeezed():
    params = abstract_variables(tiny("x3d_s", blocks=(4,)))["params"]["trunk"]
    assert ["se" in params[f"pathway0-stage1-block{b}"]["residual"] for b in range(4)] == [True, False, True, False]


@pytest.mark.slow
def test_a_block_can_start_as_its_shortcut():
    x = np.random.default_rng(0).standard_normal((1, 2, 4, 4, 8), np.float32)
    for zero_init in (False, True):
        block = X3DBlock(8, 18, 8, 1, partial(BatchNorm, train=False), zero_init, shortcut_norm=False)
        out, _ = jax.jit(block.init_with_output)(jax.random.key(0), x)
        assert bool((out == np.maximum(x, 0)).all()) == zero_init


def test_options_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match=r"`bottleneck_factor` .=0.5. must be at least 1"):
        parameters(tiny("x3d_s", bottleneck_factor=0.5))
