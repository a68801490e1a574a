"""Which convolutions a stem and a block's residual branch are made of, for each kind that the literature has."""

from r3d_jax.models.blocks import ConvSpec

# Stems of two convolutions, first over space, then over time: channels between, temporal and spatial kernel.
_FACTORISED_STEMS = {"r2plus1d": (45, 3, 3), "r2plus1d_7x7": (45, 3, 7), "r2plus1d_7x7x7": (110, 7, 7)}
STEMS = ("resnext3d", *_FACTORISED_STEMS)
RESIDUALS = (
    *("basic", "basic_r2plus1d", "preactivated_basic", "postactivated_bottleneck", "preactivated_bottleneck"),
    *("ircsn_bottleneck", "ipcsn_bottleneck", "r2plus1d_bottleneck", "r2plus1d_time_first_bottleneck"),
)


def stem_convs(stem: str, *, features: int, kernel: tuple[int, int], stride: tuple[int, int]) -> tuple[ConvSpec, ...]:
    """The convolutions of a stem, first to last.

    Args:
      stem: one of STEMS. "r2plus1d" is ClassyVision's, with 1x3x3 and 3x1x1 kernels, "r2plus1d_7x7" torchvision's, with
        1x7x7 and 3x1x1, and "r2plus1d_7x7x7" 3D-ResNets', with 1x7x7 and 7x1x1.
      features: channels that come out.
      kernel, stride: in time and in space; the kernel is of "resnext3d", which is one convolution.
    """
    if stem in _FACTORISED_STEMS:
        middle, time, space = _FACTORISED_STEMS[stem]
        return (
            ConvSpec(middle, (1, space, space), (1, stride[1], stride[1])),
            ConvSpec(features, (time, 1, 1), (stride[0], 1, 1)),
        )
    (time, space), (time_stride, space_stride) = kernel, stride
    return (ConvSpec(features, (time, space, space), (time_stride, space_stride, space_stride)),)


def residual_convs(
    residual: str,
    *,
    channels: int,
    inner: int,
    features: int,
    time: int,
    temporal_first: bool,
    stride: tuple[int, int, int],
    groups: int,
    shared_middle: bool,
) -> tuple[ConvSpec, ...]:
    """The convolutions of a block's residual branch, first to last.

    Args:
      residual: one of RESIDUALS. The last four change a bottleneck's middle convolution: channel-separated networks
        (Tran et al., arXiv:1904.02811) convolve each channel by itself, interaction-preserved ones (ip) behind one more
        1x1x1 convolution; R(2+1)D (arXiv:1711.11248) has one over space and one over time, in this order or the other.
      channels, inner, features: that come in, of a bottleneck's inside, and that go out.
      time: temporal kernel, of a bottleneck's first convolution if `temporal_first`, else of its middle one.
      stride: in time, height and width.
      groups: of the convolutions that are larger than 1x1x1.
      shared_middle: both pairs of "basic_r2plus1d" have the width that the first one needs.
    """
    if residual in ("basic", "preactivated_basic"):
        conv = ConvSpec(features, (time, 3, 3), groups=groups)
        return (conv._replace(stride=stride), conv)
    if residual == "basic_r2plus1d":
        first = _middle(channels, features)
        second = first if shared_middle else _middle(features, features)
        return _factorised(first, features, stride, groups) + _factorised(second, features, (1, 1, 1), groups)
    first, second = (time, 1) if temporal_first else (1, time)
    middle = (ConvSpec(inner, (second, 3, 3), stride, groups),)
    if residual in ("ircsn_bottleneck", "ipcsn_bottleneck"):
        middle = (ConvSpec(inner, (second, 3, 3), stride, groups=inner),)
    if residual == "ipcsn_bottleneck":
        middle = (ConvSpec(inner, (1, 1, 1), relu=False), *middle)
    if residual == "r2plus1d_bottleneck":
        middle = _factorised(_middle(inner, inner), inner, stride, groups)
    if residual == "r2plus1d_time_first_bottleneck":
        spatial, temporal = _factorised(inner, inner, stride, groups)
        middle = (temporal, spatial)
    return (ConvSpec(inner, (first, 1, 1)), *middle, ConvSpec(features, (1, 1, 1)))


def _middle(channels, features):
    """The width with which 1x3x3 and 3x1x1 have as many weights as 3x3x3."""
    return features * channels * 27 // (9 * channels + 3 * features)


def _factorised(middle, features, stride, groups):
    time, height, width = stride
    return (
        ConvSpec(middle, (1, 3, 3), (1, height, width), groups),
        ConvSpec(features, (3, 1, 1), (time, 1, 1), groups),
    )
