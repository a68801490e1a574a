"""X3D: a network expanded step by step from a tiny image network, of depthwise convolutions."""

from functools import partial

import flax.linen as nn
from jaxtyping import Array, Float

from r3d_jax.models.blocks import Branch, Conv3D, ConvSpec
from r3d_jax.models.conv3d import Clips
from r3d_jax.models.norm import BatchNorm
from r3d_jax.models.own_help import OwnHelp
from r3d_jax.models.trunk import Images, Step, check_options, check_stages, run


class X3D(nn.Module, metaclass=OwnHelp):
    """The trunk of X3D: clips in, the outputs of named blocks out (Feichtenhofer, arXiv:2004.04730).

    Its stem is a convolution over space and a depthwise one over time; its blocks are bottlenecks that widen, with a
    depthwise 3x3x3 convolution in the middle, squeeze-and-excitation in every other one (Hu et al., arXiv:1709.01507)
    and swish. No stage strides in time, every one strides in space. `build` has the usual ones by name, with the head
    that belongs to them (`Head.hidden`). For example:

        trunk = X3D(blocks=(5, 10, 25, 15))
        features = trunk.apply(variables, clips, names=("pathway0-stage4-block14",))

    The blocks are `stem-path0`, `pathway0-stage{s}-block{b}`, stages from 1, blocks from 0, and at last `conv5`: the
    1x1x1 convolution, batch norm and ReLU that PySlowFast counts to the head, but which come before its pool.

    Attributes:
      blocks: in each stage; the paper's are its depth factor times 1, 2, 5 and 3, rounded up.
      planes: output channels of stage 1, doubled with every further stage.
      stem_planes: channels of the stem.
      bottleneck_factor: channels within a block to one of its output; those of `conv5` to one of the last stage.
      squeeze_ratio: squeezed channels to one that is excited, rounded as the paper's widths are.
      shortcut_norm: batch norm follows every projection, as in PySlowFast and mmaction2; in PyTorchVideo only those
        that change the number of channels.
      zero_init: every block starts as its shortcut alone.
      input_planes: channels of the clips.
    """

    blocks: tuple[int, ...] = (3, 5, 11, 7)
    planes: int = 24
    stem_planes: int = 24
    bottleneck_factor: float = 2.25
    squeeze_ratio: float = 0.0625
    shortcut_norm: bool = False
    zero_init: bool = True
    input_planes: int = 3

    def block_names(self) -> tuple[str, ...]:
        """The name of every block, in the order in which they run: what `names` and `Head.block` can be."""
        return tuple(name for name, *_ in self._steps(norm=None))

    def enough_frames(self) -> int:
        """Frames of a clip that is long enough for all strides and pools in time, if not the shortest such."""
        return 1

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
          InputError: an option, a name or a stage that does not exist; channels that do not come last.
        """
        check_options(self, ("blocks", "planes", "stem_planes", "bottleneck_factor", "input_planes"))
        check_stages(self, remat=remat)
        norm = partial(BatchNorm, frozen=freeze_batch_norm, axis_name=axis_name)
        steps, kept = (self._steps(partial(norm, train=each), remat) for each in (train, False))
        return run(steps, x, names=names, kept=kept, frozen=frozen, offsets=offsets, planes=self.input_planes)

    def _steps(self, norm, remat=()) -> list[Step]:
        steps = [("stem-path0", lambda x: Stem(self.stem_planes, norm, name="stem-path0")(x))]
        for stage, count in enumerate(self.blocks, start=1):
            kind = nn.remat(X3DBlock) if stage in remat else X3DBlock
            for block in range(count):
                name = f"pathway0-stage{stage}-block{block}"
                steps.append((name, partial(self._block, kind, norm, name, stage, block)))
        return [*steps, ("conv5", partial(self._widen, norm))]

    def _widen(self, norm, x):
        return nn.relu(Branch((ConvSpec(self._inner(x.shape[-1]), (1, 1, 1)),), norm, name="conv5")(x))

    def _inner(self, features):
        return int(self.bottleneck_factor * features)

    def _squeezed(self, block, inner):
        return rounded(inner * self.squeeze_ratio) if block % 2 == 0 else 0

    def _block(self, kind, norm, name, stage, block, x):
        features = self.planes * 2 ** (stage - 1)
        inner = self._inner(features)
        return kind(
            features,
            inner,
            self._squeezed(block, inner),
            1 if block else 2,
            norm,
            self.zero_init,
            shortcut_norm=self.shortcut_norm or x.shape[-1] != features,
            name=name,
        )(x)


def rounded(width: float) -> int:
    """A number of channels as the paper's code rounds it: to a multiple of 8, 8 at least, and never a tenth less."""
    nearest = max(8, int(width + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * width else nearest + 8


class Stem(nn.Module, metaclass=OwnHelp):
    """1x3x3 over space at stride 2, depthwise 5x1x1 over time, with nothing between; batch norm and ReLU.

    Attributes:
      planes: channels that come out.
      norm: makes a `BatchNorm`, given its name.
    """

    planes: int
    norm: partial

    @nn.compact
    def __call__(self, x: Clips) -> Float[Array, "clip t h w feature"]:
        """The clips at half their height and width."""
        x = Conv3D(ConvSpec(self.planes, (1, 3, 3), (1, 2, 2)), name="conv1")(x)
        x = Conv3D(ConvSpec(self.planes, (5, 1, 1), groups=self.planes), name="conv2")(x)
        return nn.relu(self.norm(name="bn2")(x))


class SqueezeExcitation(nn.Module, metaclass=OwnHelp):
    """Channels weighed by what all of them are on average over the clip (Hu et al., arXiv:1709.01507).

    Attributes:
      squeezed: channels between the two layers that make weights of the averages.
    """

    squeezed: int

    @nn.compact
    def __call__(self, x: Clips) -> Float[Array, "clip t h w feature"]:
        """The clips, each channel times a number between 0 and 1."""
        weights = x.mean((1, 2, 3), keepdims=True)
        weights = nn.relu(Conv3D(ConvSpec(self.squeezed, (1, 1, 1)), bias=True, name="conv1")(weights))
        return x * nn.sigmoid(Conv3D(ConvSpec(x.shape[-1], (1, 1, 1)), bias=True, name="conv2")(weights))


class DepthwiseBranch(nn.Module, metaclass=OwnHelp):
    """The residual branch of a block: it widens, convolves each channel by itself, weighs the channels and narrows.

    Attributes:
      features: channels that come out.
      inner: channels of the depthwise convolution.
      squeezed: channels that squeeze-and-excitation squeezes to; 0: there is none.
      stride: in height and width.
      norm: makes a `BatchNorm`, given its name and what its scale starts from.
      zero_init: start at zero.
    """

    features: int
    inner: int
    squeezed: int
    stride: int
    norm: partial
    zero_init: bool

    @nn.compact
    def __call__(self, x: Clips) -> Float[Array, "clip t h w feature"]:
        """The clips after the last batch norm; no ReLU is behind it."""
        depthwise = ConvSpec(self.inner, (3, 3, 3), (1, self.stride, self.stride), groups=self.inner)
        x = nn.relu(self.norm(name="bn1")(Conv3D(ConvSpec(self.inner, (1, 1, 1)), name="conv1")(x)))
        x = self.norm(name="bn2")(Conv3D(depthwise, name="conv2")(x))
        if self.squeezed:
            x = SqueezeExcitation(self.squeezed, name="se")(x)
        x = Conv3D(ConvSpec(self.features, (1, 1, 1)), name="conv3")(nn.swish(x))
        scale_init = nn.initializers.zeros if self.zero_init else nn.initializers.ones
        return self.norm(scale_init=scale_init, name="bn3")(x)


class X3DBlock(nn.Module, metaclass=OwnHelp):
    """A residual branch that widens, plus a shortcut around it.

    Attributes:
      features, inner, squeezed, stride, norm, zero_init: of the branch.
      shortcut_norm: whether batch norm follows the projection, where shapes differ and it is one.
    """

    features: int
    inner: int
    squeezed: int
    stride: int
    norm: partial
    zero_init: bool
    shortcut_norm: bool

    @nn.compact
    def __call__(self, x: Clips) -> Float[Array, "clip t h w feature"]:
        """The sum of the branch and the shortcut of the clips, after a ReLU."""
        options = (self.features, self.inner, self.squeezed, self.stride, self.norm, self.zero_init)
        residual = DepthwiseBranch(*options, name="residual")(x)
        if x.shape[-1] != self.features or self.stride != 1:
            projection = ConvSpec(self.features, (1, 1, 1), (1, self.stride, self.stride))
            if self.shortcut_norm:
                x = Branch((projection,), self.norm, name="shortcut")(x)
            else:
                x = Conv3D(projection, name="shortcut")(x)
        return nn.relu(residual + x)
