"""Kernels, widths and strides of blocks and stems, as the papers and the projects have them."""

import pytest

from r3d_jax.models.convolutions import RESIDUALS, STEMS, residual_convs, stem_convs

USUAL = {"channels": 64, "inner": 128, "features": 512, "time": 3, "temporal_first": False, "stride": (2, 2, 2)}
USUAL |= {"groups": 1, "shared_middle": False}


def row(convs):
    return [(conv.features, conv.kernel, conv.stride, conv.groups) for conv in convs]


@pytest.mark.parametrize(
    "residual, middle",
    [
        ("postactivated_bottleneck", [(128, (3, 3, 3), (2, 2, 2), 1)]),
        ("preactivated_bottleneck", [(128, (3, 3, 3), (2, 2, 2), 1)]),
        ("ircsn_bottleneck", [(128, (3, 3, 3), (2, 2, 2), 128)]),
        ("ipcsn_bottleneck", [(128, (1, 1, 1), (1, 1, 1), 1), (128, (3, 3, 3), (2, 2, 2), 128)]),
        ("r2plus1d_bottleneck", [(288, (1, 3, 3), (1, 2, 2), 1), (128, (3, 1, 1), (2, 1, 1), 1)]),
        ("r2plus1d_time_first_bottleneck", [(128, (3, 1, 1), (2, 1, 1), 1), (128, (1, 3, 3), (1, 2, 2), 1)]),
    ],
)
def test_a_bottleneck_differs_in_its_middle(residual, middle):
    first, last = (128, (1, 1, 1), (1, 1, 1), 1), (512, (1, 1, 1), (1, 1, 1), 1)
    convs = residual_convs(residual, **USUAL)
    assert row(convs) == [first, *middle, last]
    assert [conv.relu for conv in convs] == [i != 1 or residual != "ipcsn_bottleneck" for i in range(len(convs))]


def test_time_can_be_in_the_first_convolution():
    convs = residual_convs("postactivated_bottleneck", **USUAL | {"temporal_first": True})
    assert [conv.kernel for conv in convs] == [(3, 1, 1), (1, 3, 3), (1, 1, 1)]


@pytest.mark.parametrize("residual", ["basic", "preactivated_basic"])
def test_a_basic_block_strides_in_its_first_convolution(residual):
    convs = residual_convs(residual, **USUAL | {"groups": 4})
    assert row(convs) == [(512, (3, 3, 3), (2, 2, 2), 4), (512, (3, 3, 3), (1, 1, 1), 4)]


@pytest.mark.parametrize(
    "channels, features, middles", [(64, 128, (230, 288)), (128, 256, (460, 576)), (256, 512, (921, 1152))]
)
@pytest.mark.parametrize("shared", [True, False])
def test_factorised_blocks_have_the_published_widths(channels, features, middles, shared):
    """torchvision's and IG-65M's."""
    options = USUAL | {"channels": channels, "features": features, "shared_middle": shared}
    convs = residual_convs("basic_r2plus1d", **options)
    assert (convs[0].features, convs[2].features) == (middles[0], middles[0] if shared else middles[1])
    assert [conv.kernel for conv in convs] == [(1, 3, 3), (3, 1, 1)] * 2
    assert [conv.stride for conv in convs] == [(1, 2, 2), (2, 1, 1), (1, 1, 1), (1, 1, 1)]


@pytest.mark.parametrize(
    "stem, convs",
    [
        ("resnext3d", [(64, (5, 7, 7), (2, 2, 2), 1)]),
        ("r2plus1d", [(45, (1, 3, 3), (1, 2, 2), 1), (64, (3, 1, 1), (2, 1, 1), 1)]),
        ("r2plus1d_7x7", [(45, (1, 7, 7), (1, 2, 2), 1), (64, (3, 1, 1), (2, 1, 1), 1)]),
        ("r2plus1d_7x7x7", [(110, (1, 7, 7), (1, 2, 2), 1), (64, (7, 1, 1), (2, 1, 1), 1)]),
    ],
)
def test_stems_are_one_convolution_or_one_over_space_and_one_over_time(stem, convs):
    assert row(stem_convs(stem, features=64, kernel=(5, 7), stride=(2, 2))) == convs


def test_every_kind_is_tried_here():
    assert len(STEMS) == 4 and len(RESIDUALS) == 9
