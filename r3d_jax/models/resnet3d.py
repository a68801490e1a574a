"""The 3-D residual trunk: stem, residual blocks, stages, and the name of every block."""

from functools import partial

import flax.linen as nn
from jaxtyping import Array, Float

from r3d_jax.models.blocks import Block, Branch, ConvSpec
from r3d_jax.models.conv3d import Clips
from r3d_jax.models.norm import BatchNorm
from r3d_jax.models.own_help import OwnHelp
from r3d_jax.models.trunk import Images, check_options, check_stages, run

RESIDUALS = ("basic", "basic_r2plus1d", "postactivated_bottleneck", "preactivated_bottleneck")
SHORTCUTS = ("postactivated", "preactivated")
STEMS = ("resnext3d", "r2plus1d", "r2plus1d_7x7")


class ResNet3D(nn.Module, metaclass=OwnHelp):
    """The 3-D residual trunk: clips in, the outputs of named blocks out.

    After ClassyVision's `resnext3d`: ResNet (He et al., arXiv:1512.03385) and ResNeXt (Xie et al., arXiv:1611.05431)
    with 3-D kernels (Tran et al., arXiv:1711.11248), and its pre-activated form (He et al., arXiv:1603.05027). `build`
    has the usual ones by name. For example:

        trunk = ResNet3D(blocks=(3, 4, 6, 3), residual="postactivated_bottleneck", planes=256)
        features = trunk.apply(variables, clips, names=("pathway0-stage3-block5",))

    Blocks are named as in the reference: `stem-path0`, then `pathway0-stage{s}-block{b}`, stages from 1, blocks from 0;
    a pre-activated trunk closes with `...-bn` and `...-relu` behind its last block.

    Attributes:
      blocks: residual blocks in each stage.
      planes: output channels of stage 1, doubled with every further stage.
      residual: kind of block: one of RESIDUALS.
      shortcut: kind of projection, where a block needs one: one of SHORTCUTS.
      stem: one of STEMS.
      stem_planes: channels of the stem.
      stem_kernel: temporal and spatial kernel of the `resnext3d` stem; the others are 1x3x3 (or, as torchvision's,
        1x7x7) and 3x1x1.
      stem_maxpool: 1x3x3 max-pool at spatial stride 2 after the stem.
      temporal_kernels: for each stage, temporal kernels that its blocks take in turn (`basic_r2plus1d` has threes).
      temporal_conv_1x1: for each stage, whether a bottleneck's first convolution is the temporal one.
      temporal_strides, spatial_strides: stride of each stage's first block.
      groups, width_per_group: grouped convolutions (ResNeXt); the width sets a bottleneck's inner channels.
      zero_init: every block starts as its shortcut alone.
      shared_middle: both pairs of a `basic_r2plus1d` block have the width that the first one needs, as torchvision's.
      closing_relu: a ReLU after every block's sum; the reference has it in pre-activated trunks too, their paper not.
      input_planes: channels of the clips.
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
    shared_middle: bool = False
    closing_relu: bool = True
    input_planes: int = 3

    def block_names(self) -> tuple[str, ...]:
        """The name of every block, in the order in which they run: what `names` and `Head.block` can be."""
        return tuple(name for name, _ in self._steps(norm=None))

    @nn.compact
    def __call__(
        self,
        x: Clips | Images,
        *,
        train: bool = False,
        names: tuple[str, ...] = (),
        frozen: str = "",
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
          remat: stages, from 1, whose blocks are computed again in the backward pass instead of being kept.
          offsets: {block: what is added to its output}; the gradient of zeros there is the output's.
          axis_name: mapped axis over which a batch's statistics are shared.

        Raises:
          InputError: an option, a name or a stage that does not exist; channels that do not come last.
        """
        self._check(remat)
        norm = partial(BatchNorm, axis_name=axis_name)
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
        if self.residual == "preactivated_bottleneck":
            # The reference's ReLU works in place: what it leaves under both names has been through it.
            steps.append((f"{name}-bn", lambda x: nn.relu(norm(name=f"{name}-bn")(x))))
            steps.append((f"{name}-relu", lambda x: x))
        return steps

    def _stem(self, norm, x):
        x = nn.relu(Branch(self._stem_convs(), norm, name="stem-path0")(x))
        return nn.max_pool(x, (1, 3, 3), (1, 2, 2), [(0, 0), (1, 1), (1, 1)]) if self.stem_maxpool else x

    def _block(self, kind, norm, name, s, block, x):
        time, space = self.temporal_strides[s], self.spatial_strides[s]
        stride = (1, 1, 1) if block else (time, space, space)
        return kind(
            self._residual_convs(s, block, x.shape[-1], stride),
            stride,
            norm,
            preactivated=self.residual == "preactivated_bottleneck",
            preactivated_shortcut=self.shortcut == "preactivated",
            leading=(s, block) != (0, 0),
            zero_init=self.zero_init,
            closing_relu=self.closing_relu,
            name=name,
        )(x)

    def _stem_convs(self):
        if self.stem != "resnext3d":  # 45 channels between, as in the reference and in torchvision
            space = 7 if self.stem == "r2plus1d_7x7" else 3
            return (ConvSpec(45, (1, space, space), (1, 2, 2)), ConvSpec(self.stem_planes, (3, 1, 1)))
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
            first = features * channels * 27 // (9 * channels + 3 * features)
            second = first if self.shared_middle else features * features * 27 // (9 * features + 3 * features)
            return self._factorised(first, features, stride) + self._factorised(second, features, (1, 1, 1))
        inner = self.groups * self.width_per_group * 2**s
        first, second = (time, 1) if self.temporal_conv_1x1[s] else (1, time)
        return (
            ConvSpec(inner, (first, 1, 1)),
            ConvSpec(inner, (second, 3, 3), stride, self.groups),
            ConvSpec(features, (1, 1, 1)),
        )

    def _factorised(self, middle, features, stride):
        """3x3x3 as 1x3x3 and 3x1x1; their weights are as many where the width between is chosen for it."""
        time, height, width = stride
        return (
            ConvSpec(middle, (1, 3, 3), (1, height, width), self.groups),
            ConvSpec(features, (3, 1, 1), (time, 1, 1), self.groups),
        )

    def _check(self, remat):
        positive = ("blocks", "planes", "stem_planes", "stem_kernel", "temporal_kernels", "temporal_strides")
        positive += ("spatial_strides", "groups", "width_per_group", "input_planes")
        check_options(self, positive, {"residual": RESIDUALS, "shortcut": SHORTCUTS, "stem": STEMS})
        check_stages(self, remat=remat)
