"""The 3-D residual trunk: stem, residual blocks, stages, and the name of every block."""

import math
from functools import partial

import flax.linen as nn
from jaxtyping import Array, Float

from r3d_jax.errors import InputError
from r3d_jax.models.blocks import Block, Branch, ConvSpec
from r3d_jax.models.conv3d import Clips
from r3d_jax.models.convolutions import RESIDUALS, STEMS, residual_convs, stem_convs
from r3d_jax.models.norm import BatchNorm
from r3d_jax.models.own_help import OwnHelp
from r3d_jax.models.trunk import Images, check_options, check_stages, run

SHORTCUTS = ("postactivated", "preactivated", "zero_padded")


class ResNet3D(nn.Module, metaclass=OwnHelp):
    """The 3-D residual trunk: clips in, the outputs of named blocks out.

    After ClassyVision's `resnext3d`: ResNet (He et al., arXiv:1512.03385) and ResNeXt (Xie et al., arXiv:1611.05431)
    with 3-D kernels (Tran et al., arXiv:1711.11248), and its pre-activated form (He et al., arXiv:1603.05027). `build`
    has the usual ones by name. For example:

        trunk = ResNet3D(blocks=(3, 4, 6, 3), residual="postactivated_bottleneck", planes=256)
        features = trunk.apply(variables, clips, names=("pathway0-stage3-block5",))

    Blocks are named as in the reference: `stem-path0`, then `pathway0-stage{s}-block{b}`, stages from 1, blocks from 0;
    a pool behind a stage is `pathway0-stage{s}-pool`, and a pre-activated trunk closes with `...-bn` and `...-relu`
    behind its last block.

    Attributes:
      blocks: residual blocks in each stage.
      planes: output channels of stage 1, doubled with every further stage.
      residual: kind of block: one of RESIDUALS.
      shortcut: where a block's shapes differ, a projection, one of two kinds, or what lies on the stride, padded with
        zero channels: one of SHORTCUTS.
      stem: one of STEMS.
      stem_planes: channels of the stem.
      stem_kernel: temporal and spatial kernel of the `resnext3d` stem; the others have kernels of their own.
      stem_stride: of the stem, in time and space.
      stem_maxpool: a max-pool after the stem.
      stem_pool_kernel, stem_pool_stride: of that pool, in time and space.
      temporal_kernels: for each stage, temporal kernels that its blocks take in turn (of R(2+1)D, all are threes).
      temporal_conv_1x1: for each stage, whether a bottleneck's first convolution is the temporal one.
      temporal_strides, spatial_strides: stride of each stage's first block.
      temporal_pools: for each stage from the first, frames of which a max-pool behind it makes one; 1, or an entry that
        is left out: no pool.
      groups, width_per_group: grouped convolutions (ResNeXt); the width sets a bottleneck's inner channels.
      zero_init: every block starts as its shortcut alone.
      shared_middle: both pairs of a `basic_r2plus1d` block have the width that the first one needs, as torchvision's.
      closing_relu: a ReLU after every block's sum; the reference has it in pre-activated trunks too, their paper not.
      closing_norm: a pre-activated trunk closes with batch norm and ReLU, and does not lead its first block with them,
        for the stem has just done both; in 3D-ResNets it is the other way round.
      norm_epsilon: added to the variance in batch norm.
      input_planes: channels of the clips.
    """

    blocks: tuple[int, ...] = (2, 2, 2, 2)
    planes: int = 64
    residual: str = "basic"
    shortcut: str = "postactivated"
    stem: str = "resnext3d"
    stem_planes: int = 64
    stem_kernel: tuple[int, int] = (3, 7)
    stem_stride: tuple[int, int] = (1, 2)
    stem_maxpool: bool = False
    stem_pool_kernel: tuple[int, int] = (1, 3)
    stem_pool_stride: tuple[int, int] = (1, 2)
    temporal_kernels: tuple[tuple[int, ...], ...] = ((3,), (3,), (3,), (3,))
    temporal_conv_1x1: tuple[bool, ...] = (False, False, False, False)
    temporal_strides: tuple[int, ...] = (1, 2, 2, 2)
    spatial_strides: tuple[int, ...] = (1, 2, 2, 2)
    temporal_pools: tuple[int, ...] = ()
    groups: int = 1
    width_per_group: int = 64
    zero_init: bool = False
    shared_middle: bool = False
    closing_relu: bool = True
    closing_norm: bool = True
    norm_epsilon: float = 1e-5
    input_planes: int = 3

    def block_names(self) -> tuple[str, ...]:
        """The name of every block, in the order in which they run: what `names` and `Head.block` can be."""
        return tuple(name for name, _ in self._steps(norm=None))

    def enough_frames(self) -> int:
        """Frames of a clip that is long enough for all strides and pools in time, if not the shortest such."""
        return math.prod((self.stem_stride[0], self.stem_pool_stride[0], *self.temporal_strides, *self.temporal_pools))

    def stem_convs(self) -> tuple[ConvSpec, ...]:
        """The stem's convolutions, first to last."""
        return stem_convs(self.stem, features=self.stem_planes, kernel=self.stem_kernel, stride=self.stem_stride)

    def block_convs(self, stage: int, block: int, channels: int) -> tuple[ConvSpec, ...]:
        """The convolutions of a block's residual branch, first to last.

        Args:
          stage, block: which one; stages from 1, blocks from 0.
          channels: that come in.
        """
        s = stage - 1
        return residual_convs(
            self.residual,
            channels=channels,
            inner=self.groups * self.width_per_group * 2**s,
            features=self.planes * 2**s,
            time=self.temporal_kernels[s][block % len(self.temporal_kernels[s])],
            temporal_first=self.temporal_conv_1x1[s],
            stride=self._stride(s, block),
            groups=self.groups,
            shared_middle=self.shared_middle,
        )

    @nn.compact
    def __call__(
        self,
        x: Clips | Images,
        *,
        train: bool = False,
        names: tuple[str, ...] = (),
        frozen: str = "",
        freeze_batch_norm: bool = False,
        remat: tuple[int, ...] = (),
        offsets: dict[str, Array] | None = None,
        axis_name: str | None = None,
    ) -> dict[str, Float[Array, "clip ..."]]:
        """Outputs of blocks, {name: array}; nothing above the highest of them is run.

        Args:
          x: normalised clips; an image is a clip of one frame.
          train: batch norm uses and updates the batch's statistics.
          names: of the blocks; none: the last one.
          frozen: name of the last block that stays as in testing and gets no gradient, with all before it; empty: none.
          freeze_batch_norm: in training, batch norm uses and keeps the running statistics.
          remat: stages, from 1, whose blocks are computed again in the backward pass instead of being kept.
          offsets: {block: what is added to its output}; the gradient of zeros there is the output's.
          axis_name: mapped axis over which a batch's statistics are shared.

        Raises:
          InputError: an option, a name or a stage that does not exist; channels that do not come last; fewer frames
            than a pool takes.
        """
        self._check(remat)
        norm = partial(BatchNorm, frozen=freeze_batch_norm, axis_name=axis_name, epsilon=self.norm_epsilon)
        steps, kept = (self._steps(partial(norm, train=each), remat) for each in (train, False))
        return run(steps, x, names=names, kept=kept, frozen=frozen, offsets=offsets, planes=self.input_planes)

    def _steps(self, norm, remat=()):
        """(name, function of the step before's output) for everything from the stem to the last block."""
        steps = [("stem-path0", partial(self._stem, norm))]
        for stage, count in enumerate(self.blocks, start=1):
            for block in range(count):
                name = f"pathway0-stage{stage}-block{block}"
                kind = nn.remat(Block) if stage in remat else Block
                steps.append((name, partial(self._block, kind, norm, name, stage - 1, block)))
            if (frames := (*self.temporal_pools, *[1] * stage)[stage - 1]) > 1:
                steps.append((f"pathway0-stage{stage}-pool", partial(_pool, frames)))
        if self._preactivated and self.closing_norm:
            # The reference's ReLU works in place: what it leaves under both names has been through it.
            steps.append((f"{name}-bn", lambda x: nn.relu(norm(name=f"{name}-bn")(x))))
            steps.append((f"{name}-relu", lambda x: x))
        return steps

    @property
    def _preactivated(self):
        return self.residual.startswith("preactivated")

    def _stem(self, norm, x):
        x = nn.relu(Branch(self.stem_convs(), norm, name="stem-path0")(x))
        if not self.stem_maxpool:
            return x
        (time, space), (t, s) = self.stem_pool_kernel, self.stem_pool_stride
        padding = [(kernel // 2, kernel // 2) for kernel in (time, space, space)]
        return nn.max_pool(x, (time, space, space), (t, s, s), padding)

    def _block(self, kind, norm, name, s, block, x):
        return kind(
            self.block_convs(s + 1, block, x.shape[-1]),
            self._stride(s, block),
            norm,
            preactivated=self._preactivated,
            preactivated_shortcut=self.shortcut == "preactivated",
            leading=(s, block) != (0, 0) or not self.closing_norm,
            zero_init=self.zero_init,
            closing_relu=self.closing_relu,
            projection=self.shortcut != "zero_padded",
            name=name,
        )(x)

    def _stride(self, s, block):
        time, space = self.temporal_strides[s], self.spatial_strides[s]
        return (1, 1, 1) if block else (time, space, space)

    def _check(self, remat):
        positive = ("blocks", "planes", "stem_planes", "stem_kernel", "temporal_kernels", "temporal_strides")
        positive += ("spatial_strides", "groups", "width_per_group", "input_planes", "stem_stride", "stem_pool_kernel")
        positive += ("stem_pool_stride", *["temporal_pools"] * bool(self.temporal_pools))
        check_options(self, positive, {"residual": RESIDUALS, "shortcut": SHORTCUTS, "stem": STEMS})
        check_stages(self, remat=remat)
        if self.norm_epsilon <= 0:
            raise InputError(f"`norm_epsilon` (={self.norm_epsilon}) must be above 0")
        if len(self.temporal_pools) > len(self.blocks):
            raise InputError(
                f"`temporal_pools` (={self.temporal_pools}) has more entries than `blocks` (={self.blocks}) has stages"
            )


def _pool(frames, x):
    if x.shape[1] < frames:
        raise InputError(f"{x.shape[1]} frames reach a pool of {frames}, which a clip of more frames would fill")
    return nn.max_pool(x, (frames, 1, 1), (frames, 1, 1))
