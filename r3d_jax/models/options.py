"""What the options of the trunk can be."""

from typing import Any

from r3d_jax.errors import InputError
from r3d_jax.models.convolutions import RESIDUALS, STEMS

SHORTCUTS = ("postactivated", "preactivated", "zero_padded")


def check_options(trunk: Any) -> None:
    """Refuses what no `ResNet3D` can be built of.

    Args:
      trunk: the `ResNet3D`, or whatever has its fields.

    Raises:
      InputError: an option outside of its range, or that does not go with the number of stages.
    """
    for option, value, allowed in (
        ("residual", trunk.residual, RESIDUALS),
        ("shortcut", trunk.shortcut, SHORTCUTS),
        ("stem", trunk.stem, STEMS),
    ):
        if value not in allowed:
            raise InputError(f"`{option}` (={value!r}) must be one of {', '.join(allowed)}")
    for option in (
        *("blocks", "planes", "stem_planes", "stem_kernel", "temporal_kernels", "temporal_strides"),
        *("spatial_strides", "groups", "width_per_group", "input_planes", "stem_stride", "stem_pool_kernel"),
        *("stem_pool_stride", *["temporal_pools"] * bool(trunk.temporal_pools)),
    ):
        if min(_numbers(getattr(trunk, option)), default=0) < 1:
            raise InputError(f"`{option}` (={getattr(trunk, option)}) must be at least 1, and not empty")
    if any(kernel % 2 == 0 for kernel in _numbers(trunk.temporal_kernels)):
        raise InputError(
            f"`temporal_kernels` (={trunk.temporal_kernels}) must be odd, or blocks would change the length"
        )
    if trunk.norm_epsilon <= 0:
        raise InputError(f"`norm_epsilon` (={trunk.norm_epsilon}) must be above 0")
    if len(trunk.temporal_pools) > len(trunk.blocks):
        raise InputError(
            f"`temporal_pools` (={trunk.temporal_pools}) has more entries than `blocks` (={trunk.blocks}) has stages"
        )
    for option in ("temporal_kernels", "temporal_conv_1x1", "temporal_strides", "spatial_strides"):
        if len(getattr(trunk, option)) != len(trunk.blocks):
            raise InputError(
                f"`{option}` (={getattr(trunk, option)}) must have one entry for each of the "
                f"{len(trunk.blocks)} stages in `blocks` (={trunk.blocks})"
            )


def _numbers(value):
    """The numbers in a number or in a nest of tuples; 0 for an empty one."""
    if not isinstance(value, tuple | list):
        return [value]
    return [number for item in value for number in _numbers(item)] or [0]
