from functools import partial

import jax
import numpy as np
import pytest
from closeness import close
from trunks import SOON

from r3d_jax.models.blocks import Block, Branch, Conv3D, ConvSpec
from r3d_jax.models.norm import BatchNorm

X = np.random.default_rng(0).standard_normal((2, 2, 4, 4, 6), np.float32)
NORM = partial(BatchNorm, train=False)


def fresh(module):
    """Its output, and the fresh variables that give it."""
    return jax.jit(lambda key: module.init_with_output(key, X), compiler_options=SOON)(jax.random.key(0))


def shapes(module):
    """The shapes of `fresh`, computing nothing."""
    return jax.tree.map(np.shape, jax.eval_shape(lambda: module.init_with_output(jax.random.key(0), X)))


def test_a_convolution_pads_by_half_its_kernel_and_has_no_bias():
    out, variables = shapes(Conv3D(ConvSpec(4, (3, 1, 5), (1, 2, 2))))
    assert out == (2, 2, 2, 2, 4) and variables == {"params": {"kernel": (3, 1, 5, 6, 4)}}


def test_a_convolution_can_have_a_bias_which_starts_at_zero():
    conv = Conv3D(ConvSpec(4, (1, 1, 1)), bias=True)
    out, variables = fresh(conv)
    assert variables["params"]["bias"].shape == (4,) and not variables["params"]["bias"].any()
    moved = {"params": variables["params"] | {"bias": np.arange(4, dtype=np.float32)}}
    np.testing.assert_allclose(conv.apply(moved, X) - out, np.broadcast_to(np.arange(4), out.shape), atol=1e-5)


def test_groups_that_do_not_divide_the_channels_are_refused():
    with pytest.raises(ValueError, match=r"`groups` \(=4\) must divide the 6 and 8 channels of conv1"):
        Conv3D(ConvSpec(8, (1, 1, 1), groups=4), name="conv1").init(jax.random.key(0), X)


@pytest.mark.parametrize("preactivated", [False, True])
def test_norm_and_relu_follow_each_convolution_or_lead_it(preactivated):
    """Where a ReLU leads, values below zero are as good as zero; where it follows, none is behind the last."""
    branch = Branch((ConvSpec(4, (1, 1, 1)), ConvSpec(6, (1, 1, 1))), NORM, preactivated=preactivated)
    out, variables = fresh(branch)
    assert out.min() < 0
    assert set(variables["params"]) == {"conv1", "bn1", "conv2", "bn2"}
    assert variables["params"]["bn1"]["scale"].shape == ((6,) if preactivated else (4,))
    clipped = branch.apply(variables, np.maximum(X, 0))
    assert (np.abs(out - clipped).max() < 1e-5) == preactivated
    _, led = shapes(branch.clone(leading=False))
    assert ("bn1" in led["params"]) == (not preactivated)


def block(features, stride=(1, 1, 1), **changes):
    options = {"preactivated": False, "preactivated_shortcut": False, "leading": True, "closing_relu": True}
    convs = (ConvSpec(features, (1, 3, 3), stride),)
    return Block(convs, stride, NORM, **options | {"zero_init": False} | changes)


@pytest.mark.parametrize(
    "features, stride, projects", [(6, (1, 1, 1), False), (8, (1, 1, 1), True), (6, (1, 2, 2), True)]
)
def test_a_shortcut_projects_where_shapes_differ(features, stride, projects):
    out, variables = shapes(block(features, stride))
    assert ("shortcut" in variables["params"]) == projects
    assert out == (2, 2, 4 // stride[1], 4 // stride[2], features)


@pytest.mark.parametrize("closing_relu", [True, False])
def test_a_block_can_start_as_its_shortcut_alone(closing_relu):
    out, _ = fresh(block(6, zero_init=True, closing_relu=closing_relu))
    np.testing.assert_array_equal(out, np.maximum(X, 0) if closing_relu else X)


def test_a_shortcut_can_take_what_lies_on_the_stride_and_pad_with_zeros():
    """The paper's option A, which has no weights."""
    zero = block(8, (2, 2, 1), projection=False, zero_init=True, closing_relu=False)
    out, variables = fresh(zero)
    assert set(variables["params"]) == {"residual"}
    np.testing.assert_array_equal(out[..., :6], X[:, ::2, ::2])
    np.testing.assert_array_equal(out[..., 6:], 0)
    with pytest.raises(ValueError, match="zero-padded shortcut cannot make 4 channels of 6"):
        shapes(block(4, projection=False))


def test_a_relu_between_two_convolutions_can_be_left_out():
    """Then both are one linear map, up to batch norm's shift."""
    convs = (ConvSpec(4, (1, 1, 1), relu=False), ConvSpec(6, (1, 1, 1)))
    out, variables = fresh(Branch(convs, NORM))
    close(Branch(convs, NORM).apply(variables, -X), -out)
