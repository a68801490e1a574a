"""The trunks that the literature has names for."""

import math

from r3d_jax.models.resnet3d import ResNet3D
from r3d_jax.models.slowfast import SlowFast
from r3d_jax.models.x3d import X3D

_18, _34, _50, _101 = (2, 2, 2, 2), (3, 4, 6, 3), (3, 4, 6, 3), (3, 4, 23, 3)
_152, _200 = (3, 8, 36, 3), (3, 24, 36, 3)

_BOTTLENECK = {"residual": "postactivated_bottleneck", "planes": 256}
# Temporal kernels in the first convolution of each bottleneck, and no stride in time.
_TEMPORAL_FIRST = {"temporal_conv_1x1": (True,) * 4, "temporal_strides": (1,) * 4, "stem_maxpool": True} | _BOTTLENECK
_I3D = {"stem_kernel": (5, 7), "temporal_kernels": ((3,), (3, 1), (3, 1), (1, 3))} | _TEMPORAL_FIRST
_SLOW = {"stem_kernel": (1, 7), "temporal_kernels": ((1,), (1,), (3,), (3,)), "zero_init": True} | _TEMPORAL_FIRST
_C2D = {"stem_kernel": (1, 7), "temporal_kernels": ((1,),) * 4, "zero_init": True} | _TEMPORAL_FIRST
_CSN = {"residual": "ircsn_bottleneck", "planes": 256, "stem_maxpool": True}
_R2PLUS1D = {"residual": "basic_r2plus1d", "stem": "r2plus1d"}
_CAFFE2 = {"norm_epsilon": 1e-3}  # batch norm's epsilon of networks that VMZ trained in Caffe2
_VMZ_R2PLUS1D = {"stem": "r2plus1d_7x7"} | _CAFFE2
# 3D-ResNets: max-pool over 3x3x3 at a stride of 2, in time too.
_RESNETS3D = {"stem_kernel": (7, 7), "stem_maxpool": True, "stem_pool_kernel": (3, 3), "stem_pool_stride": (2, 2)}
_RESNETS3D_R2PLUS1D = _RESNETS3D | {"stem": "r2plus1d_7x7x7"}

_FIRST_SIX = (3,) * 6 + (1,) * 17


def _x3d_blocks(depth_factor):
    return tuple(math.ceil(depth_factor * count) for count in (1, 2, 5, 3))


# docs/networks.md gives the parameters and multiply-adds of each, and says whose they are.
PRESETS = {
    # Tran et al., arXiv:1711.11248, as torchvision has it too; deeper ones and bottlenecks as ClassyVision has them.
    "r3d_18": ResNet3D(),
    "r3d_34": ResNet3D(blocks=_34),
    "r3d_50": ResNet3D(blocks=_50, **_BOTTLENECK),
    "r3d_101": ResNet3D(blocks=_101, **_BOTTLENECK),
    "r3d_152": ResNet3D(blocks=_152, **_BOTTLENECK),
    "resnext3d_101_32x8d": ResNet3D(blocks=_101, groups=32, width_per_group=8, **_BOTTLENECK),
    # R(2+1)D of the same paper: ClassyVision's, then torchvision's, whose stem and inner widths differ, then those that
    # VMZ trained on IG-65M (Ghadiyaram et al., arXiv:1905.00561), then PyTorchVideo's.
    "r2plus1d_18": ResNet3D(**_R2PLUS1D),
    "r2plus1d_34": ResNet3D(blocks=_34, **_R2PLUS1D),
    "torchvision_r2plus1d_18": ResNet3D(residual="basic_r2plus1d", stem="r2plus1d_7x7", shared_middle=True),
    "vmz_r2plus1d_34": ResNet3D(blocks=_34, residual="basic_r2plus1d", **_VMZ_R2PLUS1D),
    "vmz_r2plus1d_152": ResNet3D(
        blocks=_152, residual="r2plus1d_bottleneck", planes=256, stem_maxpool=True, **_VMZ_R2PLUS1D
    ),
    "r2plus1d_r50": ResNet3D(
        blocks=_50,
        residual="r2plus1d_time_first_bottleneck",
        planes=256,
        stem_kernel=(1, 7),
        temporal_strides=(1, 1, 2, 2),
        spatial_strides=(2, 2, 2, 2),
    ),
    # MC3 of the same paper, torchvision's: 3-D kernels in the first stage, 2-D ones above.
    "mc3_18": ResNet3D(temporal_kernels=((3,), (1,), (1,), (1,)), temporal_strides=(1, 1, 1, 1)),
    # I3D (arXiv:1705.07750) on a ResNet-50 as ClassyVision has it, its `postactivated_i3d50`; then as PySlowFast and
    # PyTorchVideo have it, with a pool in time behind the first stage; then mmaction2's two, the first of which halves
    # time in its stem and in its pool as well. The first three have weights of the same shapes.
    "i3d_r50": ResNet3D(blocks=_50, zero_init=True, **_I3D),
    "pytorchvideo_i3d_r50": ResNet3D(blocks=_50, temporal_pools=(2,), zero_init=True, **_I3D),
    "mmaction2_i3d_r50": ResNet3D(blocks=_50, temporal_pools=(2,), stem_stride=(2, 2), stem_pool_stride=(2, 2), **_I3D),
    "mmaction2_i3d_r50_heavy": ResNet3D(blocks=_50, temporal_pools=(2,), **_I3D | {"temporal_kernels": ((3,),) * 4}),
    # The slow pathway of SlowFast alone (Feichtenhofer et al., arXiv:1812.03982), mmaction2's SlowOnly; then C2D (Wang
    # et al., arXiv:1711.07971), which has 2-D kernels alone, with a pool in time and, PySlowFast's `slow_c2d`, without.
    "slow_r50": ResNet3D(blocks=_50, **_SLOW),
    "slow_r101": ResNet3D(blocks=_101, **_SLOW),
    "c2d_r50": ResNet3D(blocks=_50, temporal_pools=(2,), **_C2D),
    "slow_c2d_r50": ResNet3D(blocks=_50, **_C2D),
    # Channel-separated networks (Tran et al., arXiv:1904.02811): PyTorchVideo's, then VMZ's and mmaction2's.
    "csn_r101": ResNet3D(blocks=_101, **_CSN),
    "ircsn_50": ResNet3D(blocks=_50, **_CSN, **_CAFFE2),
    "ircsn_152": ResNet3D(blocks=_152, **_CSN, **_CAFFE2),
    "ipcsn_152": ResNet3D(blocks=_152, **_CSN | {"residual": "ipcsn_bottleneck"}, **_CAFFE2),
    # 3D-ResNets-PyTorch (Hara et al., arXiv:1711.09577 and arXiv:2004.04968); `_a` has the shortcut A of older files.
    "kenshohara_r3d_18": ResNet3D(**_RESNETS3D),
    "kenshohara_r3d_18_a": ResNet3D(shortcut="zero_padded", **_RESNETS3D),
    "kenshohara_r3d_34": ResNet3D(blocks=_34, **_RESNETS3D),
    "kenshohara_r3d_34_a": ResNet3D(blocks=_34, shortcut="zero_padded", **_RESNETS3D),
    "kenshohara_r3d_50": ResNet3D(blocks=_50, **_RESNETS3D, **_BOTTLENECK),
    "kenshohara_r3d_101": ResNet3D(blocks=_101, **_RESNETS3D, **_BOTTLENECK),
    "kenshohara_r3d_152": ResNet3D(blocks=_152, **_RESNETS3D, **_BOTTLENECK),
    "kenshohara_r3d_200": ResNet3D(blocks=_200, **_RESNETS3D, **_BOTTLENECK),
    "kenshohara_r2plus1d_18": ResNet3D(residual="basic_r2plus1d", **_RESNETS3D_R2PLUS1D),
    "kenshohara_r2plus1d_34": ResNet3D(blocks=_34, residual="basic_r2plus1d", **_RESNETS3D_R2PLUS1D),
    "kenshohara_r2plus1d_50": ResNet3D(blocks=_50, residual="r2plus1d_bottleneck", planes=256, **_RESNETS3D_R2PLUS1D),
    "kenshohara_resnext_101": ResNet3D(blocks=_101, groups=32, width_per_group=4, **_RESNETS3D, **_BOTTLENECK),
    "kenshohara_wide_resnet_50": ResNet3D(blocks=_50, width_per_group=128, **_RESNETS3D, **_BOTTLENECK),
    "kenshohara_preresnet_200": ResNet3D(
        blocks=_200,
        residual="preactivated_bottleneck",
        planes=256,
        closing_relu=False,
        closing_norm=False,
        **_RESNETS3D,
    ),
    # SlowFast (arXiv:1812.03982) as PySlowFast and PyTorchVideo have it: 8x8, and 16x8, where of stage 3 the first 6
    # blocks alone have temporal kernels. PySlowFast's 4x16 is slowfast_r50 with alpha 8 and a
    # lateral kernel of 5; mmaction2's own 4x16 is the one below, its 8x8 that with alpha 4 and a lateral kernel of 7.
    "slowfast_r50": SlowFast(),
    "slowfast_r101": SlowFast(blocks=(3, 4, 23, 3), lateral_kernel=5),
    "slowfast_r101_16x8": SlowFast(
        blocks=(3, 4, 23, 3),
        lateral_kernel=5,
        temporal_kernels=((1,), (1,), _FIRST_SIX, (3,)),
        fast_temporal_kernels=((3,), (3,), _FIRST_SIX, (3,)),
    ),
    "mmaction2_slowfast_r50": SlowFast(
        alpha=8, lateral_kernel=5, lateral_norm=False, slow_frames="every", fast_first=True
    ),
    # X3D (arXiv:2004.04730): XS, S and M are one network, which sees other clips.
    **dict.fromkeys(("x3d_xs", "x3d_s", "x3d_m"), X3D(blocks=_x3d_blocks(2.2))),
    "x3d_l": X3D(blocks=_x3d_blocks(5.0)),
}

# Channels of the layer that X3D's heads have between pool and linear layer (`Head.hidden`).
HIDDEN = dict.fromkeys(("x3d_xs", "x3d_s", "x3d_m", "x3d_l"), 2048)


def list_presets() -> tuple[str, ...]:
    """The names of the networks that `build` knows, in the order of the documentation's table (docs/networks.md)."""
    return tuple(PRESETS)
