"""The trunks that the literature has names for."""

from r3d_jax.models.resnet3d import ResNet3D

_BOTTLENECK = {"residual": "postactivated_bottleneck", "planes": 256}

# docs/networks.md gives the parameters and multiply-adds of each.
PRESETS = {
    # Tran et al., arXiv:1711.11248, as torchvision has it too; deeper ones and bottlenecks as ClassyVision has them.
    "r3d_18": ResNet3D(),
    "r3d_34": ResNet3D(blocks=(3, 4, 6, 3)),
    "r3d_50": ResNet3D(blocks=(3, 4, 6, 3), **_BOTTLENECK),
    "r3d_101": ResNet3D(blocks=(3, 4, 23, 3), **_BOTTLENECK),
    "r3d_152": ResNet3D(blocks=(3, 8, 36, 3), **_BOTTLENECK),
    "resnext3d_101_32x8d": ResNet3D(blocks=(3, 4, 23, 3), groups=32, width_per_group=8, **_BOTTLENECK),
    # R(2+1)D of the same paper: ClassyVision's, then torchvision's, whose stem and inner widths differ.
    "r2plus1d_18": ResNet3D(residual="basic_r2plus1d", stem="r2plus1d"),
    "r2plus1d_34": ResNet3D(blocks=(3, 4, 6, 3), residual="basic_r2plus1d", stem="r2plus1d"),
    "torchvision_r2plus1d_18": ResNet3D(residual="basic_r2plus1d", stem="r2plus1d_7x7", shared_middle=True),
    # MC3 of the same paper, torchvision's: 3-D kernels in the first stage, 2-D ones above.
    "mc3_18": ResNet3D(temporal_kernels=((3,), (1,), (1,), (1,)), temporal_strides=(1, 1, 1, 1)),
    # I3D (arXiv:1705.07750) on a ResNet-50 as ClassyVision has it, its `postactivated_i3d50`. It is not the I3D R50 of
    # SlowFast and of PyTorchVideo, though it has as many parameters: those pool time (a 2x1x1 max-pool) between their
    # first and their second stage, and their weights do not belong here.
    "i3d_r50": ResNet3D(
        blocks=(3, 4, 6, 3),
        stem_kernel=(5, 7),
        stem_maxpool=True,
        temporal_kernels=((3,), (3, 1), (3, 1), (1, 3)),
        temporal_conv_1x1=(True, True, True, True),
        temporal_strides=(1, 1, 1, 1),
        zero_init=True,
        **_BOTTLENECK,
    ),
}


def list_presets() -> tuple[str, ...]:
    """The names of the networks that `build` knows, in the order of the documentation's table (docs/networks.md)."""
    return tuple(PRESETS)
