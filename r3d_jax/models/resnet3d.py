"""The 3-D residual trunk: stem, residual blocks, stages, and the name of every block.

After ClassyVision's `resnext3d`: ResNet (He et al., arXiv:1512.03385) and ResNeXt (Xie et al., arXiv:1611.05431)
with 3-D kernels (Tran et al., arXiv:1711.11248), and its pre-activated form (He et al., arXiv:1603.05027).
"""

from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax.nn.initializers import variance_scaling
from jaxtyping import Array, Float

from r3d_jax.errors import InputError
from r3d_jax.models.conv3d import Clips, conv3d
from r3d_jax.models.norm import BatchNorm

RESIDUALS = ("basic", "basic_r2plus1d", "postactivated_bottleneck", "preactivated_bottleneck")
SHORTCUTS = ("postactivated", "preactivated")
STEMS = ("resnext3d", "r2plus1d")


class ConvSpec(NamedTuple):
    """One convolution of a branch; its padding is half the kernel."""

    features: int
    kernel: tuple[int, int, int]
    stride: tuple[int, int, int] = (1, 1, 1)
    groups: int = 1


class Conv3D(nn.Module):
    """Bias-free convolution with Kaiming-normal weights over the fan-out (arXiv:1502.01852)."""

    spec: ConvSpec
    zero: bool = False

    @nn.compact
    def __call__(self, x: Clips) -> Float[Array, "clip t h w feature"]:
        features, kernel, stride, groups = self.spec
        # The reference's fan-out is features * kernel volume, whatever the number of groups.
        init = nn.initializers.zeros if self.zero else variance_scaling(2.0, "fan_out", "normal")
        shape = (*kernel, x.shape[-1] // groups, features)
        weights = self.param("kernel", init, shape, jnp.float32)
        return conv3d(x, weights.astype(x.dtype), stride, padding=tuple(k // 2 for k in kernel), groups=groups)


class Branch(nn.Module):
    """Convolutions in a row: each followed by batch norm, with ReLU between; or, pre-activated, led by both.

    Attributes:
      leading: whether a pre-activated branch starts with batch norm and ReLU; the network's first block does
        not, for the stem has just done both.
      zero_init: start at zero: the last batch norm's scale, or the last kernel where no batch norm follows it.
    """

    convs: tuple[ConvSpec, ...]
    norm: partial
    preactivated: bool = False
    leading: bool = True
    zero_init: bool = False

    @nn.compact
    def __call__(self, x: Clips) -> Float[Array, "clip t h w feature"]:
        for i, spec in enumerate(self.convs, start=1):
            last = self.zero_init and i == len(self.convs)
            if self.preactivated:
                if i > 1 or self.leading:
                    x = nn.relu(self.norm(name=f"bn{i}")(x))
                x = Conv3D(spec, zero=last, name=f"conv{i}")(x)
            else:
                x = nn.relu(x) if i > 1 else x
                x = Conv3D(spec, name=f"conv{i}")(x)
                scale_init = nn.initializers.zeros if last else nn.initializers.ones
                x = self.norm(scale_init=scale_init, name=f"bn{i}")(x)
        return x


class Block(nn.Module):
    """Residual branch plus shortcut, then a ReLU (kept after pre-activated blocks too, as the reference does)."""

    convs: tuple[ConvSpec, ...]
    stride: tuple[int, int, int]
    norm: partial
    preactivated: bool
    preactivated_shortcut: bool
    leading: bool
    zero_init: bool

    @nn.compact
    def __call__(self, x: Clips) -> Float[Array, "clip t h w feature"]:
        features = self.convs[-1].features
        branch = partial(Branch, norm=self.norm, leading=self.leading)
        residual = branch(self.convs, preactivated=self.preactivated, zero_init=self.zero_init, name="residual")(x)
        if x.shape[-1] != features or self.stride != (1, 1, 1):
            projection = (ConvSpec(features, (1, 1, 1), self.stride),)
            x = branch(projection, preactivated=self.preactivated_shortcut, name="shortcut")(x)
        return nn.relu(residual + x)


class ResNet3D(nn.Module):
    """The trunk: clips in, the outputs of named blocks out.

    Blocks are named as in the reference: `stem-path0`, then `pathway0-stage{s}-block{b}`, stages from 1, blocks from 0;
    a pre-activated trunk closes with `...-bn` and `...-relu` behind its last block.

    Attributes:
      blocks: residual blocks in each stage.
      planes: output channels of stage 1, doubled with every further stage.
      residual, shortcut, stem: one of RESIDUALS, SHORTCUTS, STEMS.
      stem_kernel: temporal and spatial kernel of the `resnext3d` stem.
      stem_maxpool: 1x3x3 max-pool at spatial stride 2 after the stem.
      temporal_kernels: for each stage, temporal kernels that its blocks take in turn.
      temporal_conv_1x1: for each stage, whether a bottleneck's first convolution is the temporal one.
      temporal_strides, spatial_strides: stride of each stage's first block.
      groups, width_per_group: grouped convolutions (ResNeXt); the width sets a bottleneck's inner channels.
      zero_init: every block starts as its shortcut alone.
    """

    blocks: tuple[int, ...] = (2, 2, 2, 2)
    planes: int = 64
    residual: str = "basic"
    shortcut: str = "postactivated"
    stem: str = "resnext3d"
    stem_planes: int = 64
    stem_kernel: tuple[int, int] = (3, 7)
    stem_maxpool: bool = False
    temporal_kernels: tuple[tuple[int, ...], ...] = ((3,), (3,), (3,), (3,))
    temporal_conv_1x1: tuple[bool, ...] = (False, False, False, False)
    temporal_strides: tuple[int, ...] = (1, 2, 2, 2)
    spatial_strides: tuple[int, ...] = (1, 2, 2, 2)
    groups: int = 1
    width_per_group: int = 64
    zero_init: bool = False

    def block_names(self) -> tuple[str, ...]:
        """Every name that `__call__` can be asked for, in the order in which they run."""
        return tuple(name for name, _ in self._steps(norm=None))

    @nn.compact
    def __call__(
        self,
        x: Clips,
        *,
        train: bool = False,
        names: tuple[str, ...] = (),
        axis_name: str | None = None,
    ) -> dict[str, Float[Array, "clip ..."]]:
        """Outputs of the blocks `names` (none given: of the last); nothing above the highest of them is run.

        Args:
          x: normalised clips.
          train: batch norm uses and updates the batch's statistics.
          axis_name: mapped axis over which those statistics are shared.

        Raises:
          InputError: an option or a name that does not exist.
        """
        self._check()
        every = self.block_names()
        names = names or every[-1:]
        if unknown := [name for name in names if name not in every]:
            raise InputError(f"no block {', '.join(map(repr, unknown))} in this trunk; its blocks: {', '.join(every)}")
        highest = max(every.index(name) for name in names)
        outputs = {}
        for name, step in self._steps(partial(BatchNorm, train=train, axis_name=axis_name))[: highest + 1]:
            x = step(x)
            if name in names:
                outputs[name] = x
        return outputs

    def _steps(self, norm):
        """(name, function of the step before's output) for everything from the stem to the last block."""
        steps = [("stem-path0", partial(self._stem, norm))]
        for stage, count in enumerate(self.blocks, start=1):
            for block in range(count):
                name = f"pathway0-stage{stage}-block{block}"
                steps.append((name, partial(self._block, norm, name, stage - 1, block)))
        if self.residual == "preactivated_bottleneck":
            # The reference's ReLU works in place: what it leaves under both names has been through it.
            steps.append((f"{name}-bn", lambda x: nn.relu(norm(name=f"{name}-bn")(x))))
            steps.append((f"{name}-relu", lambda x: x))
        return steps

    def _stem(self, norm, x):
        x = nn.relu(Branch(self._stem_convs(), norm, name="stem-path0")(x))
        return nn.max_pool(x, (1, 3, 3), (1, 2, 2), [(0, 0), (1, 1), (1, 1)]) if self.stem_maxpool else x

    def _block(self, norm, name, s, block, x):
        time, space = self.temporal_strides[s], self.spatial_strides[s]
        stride = (1, 1, 1) if block else (time, space, space)
        return Block(
            self._residual_convs(s, block, x.shape[-1], stride),
            stride,
            norm,
            preactivated=self.residual == "preactivated_bottleneck",
            preactivated_shortcut=self.shortcut == "preactivated",
            leading=(s, block) != (0, 0),
            zero_init=self.zero_init,
            name=name,
        )(x)

    def _stem_convs(self):
        if self.stem == "r2plus1d":  # 45 channels between, as in the reference and in torchvision
            return (ConvSpec(45, (1, 3, 3), (1, 2, 2)), ConvSpec(self.stem_planes, (3, 1, 1)))
        time, space = self.stem_kernel
        return (ConvSpec(self.stem_planes, (time, space, space), (1, 2, 2)),)

    def _residual_convs(self, s, block, channels, stride):
        """The convolutions of one block's residual branch; `s` is the stage's index from 0."""
        features, basis = self.planes * 2**s, self.temporal_kernels[s]
        time = basis[block % len(basis)]
        if self.residual == "basic":
            conv = ConvSpec(features, (time, 3, 3), groups=self.groups)
            return (conv._replace(stride=stride), conv)
        if self.residual == "basic_r2plus1d":
            pairs = ((channels, stride), (features, (1, 1, 1)))
            return sum((self._factorised(c, features, strides) for c, strides in pairs), ())
        inner = self.groups * self.width_per_group * 2**s
        first, second = (time, 1) if self.temporal_conv_1x1[s] else (1, time)
        return (
            ConvSpec(inner, (first, 1, 1)),
            ConvSpec(inner, (second, 3, 3), stride, self.groups),
            ConvSpec(features, (1, 1, 1)),
        )

    def _factorised(self, channels, features, stride):
        """3x3x3 as 1x3x3 and 3x1x1, with the width between that keeps the number of weights."""
        middle = features * channels * 27 // (9 * channels + 3 * features)
        time, height, width = stride
        return (
            ConvSpec(middle, (1, 3, 3), (1, height, width), self.groups),
            ConvSpec(features, (3, 1, 1), (time, 1, 1), self.groups),
        )

    def _check(self):
        for option, value, allowed in (
            ("residual", self.residual, RESIDUALS),
            ("shortcut", self.shortcut, SHORTCUTS),
            ("stem", self.stem, STEMS),
        ):
            if value not in allowed:
                raise InputError(f"`{option}` (={value!r}) must be one of {', '.join(allowed)}")
        for option in ("temporal_kernels", "temporal_conv_1x1", "temporal_strides", "spatial_strides"):
            if len(getattr(self, option)) != len(self.blocks):
                raise InputError(
                    f"`{option}` (={getattr(self, option)}) must have one entry for each of the "
                    f"{len(self.blocks)} stages in `blocks` (={self.blocks})"
                )
