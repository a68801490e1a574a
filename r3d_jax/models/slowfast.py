"""SlowFast: two pathways over one clip, a slow and wide one and a fast and thin one, and what joins them."""

from functools import partial

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from r3d_jax.errors import InputError
from r3d_jax.models.blocks import Block, Branch, Conv3D, ConvSpec
from r3d_jax.models.conv3d import Clips
from r3d_jax.models.norm import BatchNorm
from r3d_jax.models.own_help import OwnHelp
from r3d_jax.models.trunk import CLIPS, Images, Step, check_options, check_stages, run

SLOW_FRAMES = ("linspace", "every")


class SlowFast(nn.Module, metaclass=OwnHelp):
    """The two pathways of SlowFast: clips in, the outputs of named blocks out (Feichtenhofer et al., arXiv:1812.03982).

    Bottleneck ResNets: pathway 0, the slow one, sees few frames of the clip; pathway 1, the fast one, sees all of them
    with few channels. A clip is the fast pathway's; the slow one's frames are picked from it. After the stem and after
    every stage but the last, a lateral connection puts a convolution of the fast pathway's features beside the slow
    one's. `build` has the usual ones by name. For example:

        trunk = SlowFast(alpha=8, lateral_kernel=5)
        features = trunk.apply(variables, clips, names=("pathway0-stage4-block2", "pathway1-stage4-block2"))

    The blocks are `stem-path0`, `stem-path1` and `stem-fusion`; `pathway{p}-stage{s}-block{b}`, stages from 1, pathways
    and blocks from 0, and `stage{s}-fusion`, where a fusion's output is what the slow pathway goes on with; at last
    `joined`, which has the channels of both pathways at the fast one's frames, each slow frame repeated `alpha` times:
    its mean over time is the means of both, side by side.

    Attributes:
      blocks: bottlenecks in each stage, of either pathway.
      planes: output channels of the slow pathway's stage 1, doubled with every further stage; within its bottlenecks
        there are a fourth of them.
      stem_planes: channels of the slow pathway's stem.
      alpha: frames of the fast pathway to one of the slow one.
      beta_inverse: channels of the slow pathway to one of the fast one.
      lateral_kernel: frames that a lateral connection's convolution sees.
      lateral_norm: batch norm and ReLU follow that convolution, as in PySlowFast and PyTorchVideo; in mmaction2 not.
      temporal_kernels, fast_temporal_kernels: for each stage of the slow pathway, of the fast one, temporal kernels
        that its blocks take in turn.
      slow_frames: which frames the slow pathway sees: "linspace", from the first to the last at equal distances, cut to
        whole numbers, as in PySlowFast and PyTorchVideo; or "every", each `alpha`-th from the first, as in mmaction2.
      fast_first: whether `joined` has the fast pathway's channels before the slow one's, as in mmaction2.
      zero_init: every block starts as its shortcut alone.
      input_planes: channels of the clips.
    """

    blocks: tuple[int, ...] = (3, 4, 6, 3)
    planes: int = 256
    stem_planes: int = 64
    alpha: int = 4
    beta_inverse: int = 8
    lateral_kernel: int = 7
    lateral_norm: bool = True
    temporal_kernels: tuple[tuple[int, ...], ...] = ((1,), (1,), (3,), (3,))
    fast_temporal_kernels: tuple[tuple[int, ...], ...] = ((3,), (3,), (3,), (3,))
    slow_frames: str = "linspace"
    fast_first: bool = False
    zero_init: bool = True
    input_planes: int = 3

    def block_names(self) -> tuple[str, ...]:
        """The name of every block, in the order in which they run: what `names` and `Head.block` can be."""
        return tuple(name for name, *_ in self._steps(norm=None))

    def enough_frames(self) -> int:
        """Frames of a clip that is long enough for all strides and pools in time, if not the shortest such."""
        return self.alpha

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
          x: normalised clips of any length, best a multiple of `alpha`; an image is a clip of one frame.
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
        self._check(remat)
        norm = partial(BatchNorm, frozen=freeze_batch_norm, axis_name=axis_name)
        steps, kept = (self._steps(partial(norm, train=each), remat) for each in (train, False))
        return run(steps, x, names=names, kept=kept, frozen=frozen, offsets=offsets, planes=self.input_planes)

    def _check(self, remat):
        kernels = ("temporal_kernels", "fast_temporal_kernels")
        positive = ("blocks", "planes", "stem_planes", "alpha", "beta_inverse", "lateral_kernel", "input_planes")
        check_options(self, (*positive, *kernels), {"slow_frames": SLOW_FRAMES})
        check_stages(self, remat=remat)
        if self.lateral_kernel % 2 == 0:
            raise InputError(f"`lateral_kernel` (={self.lateral_kernel}) must be odd, or it would change the length")
        for option, part in (("planes", 4 * self.beta_inverse), ("stem_planes", self.beta_inverse)):
            if getattr(self, option) % part:
                raise InputError(
                    f"`{option}` (={getattr(self, option)}) must be a multiple of {part}, for `beta_inverse` "
                    f"(={self.beta_inverse}) leaves the fast pathway a part of it"
                )

    def _steps(self, norm, remat=()) -> list[Step]:
        fusion = partial(Fusion, self.lateral_kernel, self.alpha, norm if self.lateral_norm else None)
        steps = [
            ("stem-path0", lambda x: self._stem(norm, 0, x[:, self._picked(x.shape[1])]), CLIPS),
            ("stem-path1", partial(self._stem, norm, 1), CLIPS),
            ("stem-fusion", lambda *pathways: fusion(name="stem-fusion")(*pathways), "stem-path0", "stem-path1"),
        ]
        ends = ["stem-fusion", "stem-path1"]  # what either pathway goes on with
        for stage, count in enumerate(self.blocks, start=1):
            kind = nn.remat(Block) if stage in remat else Block
            for pathway in (0, 1):
                for block in range(count):
                    name = f"pathway{pathway}-stage{stage}-block{block}"
                    steps.append((name, partial(self._block, kind, norm, name, pathway, stage, block), ends[pathway]))
                    ends[pathway] = name
            if stage < len(self.blocks):
                name = f"stage{stage}-fusion"
                steps.append((name, lambda *pathways, name=name: fusion(name=name)(*pathways), *ends))
                ends[0] = name
        return [*steps, ("joined", self._joined, *ends)]

    def _picked(self, frames):
        """Indices of the slow pathway's frames: as many as the lateral convolutions give."""
        if self.slow_frames == "every":
            return np.arange(0, frames, self.alpha)
        return np.linspace(0, frames - 1, -(-frames // self.alpha)).astype(int)

    def _stem(self, norm, pathway, x):
        kernel = (5 if pathway else 1, 7, 7)
        planes = self.stem_planes // (self.beta_inverse if pathway else 1)
        x = nn.relu(Branch((ConvSpec(planes, kernel, (1, 2, 2)),), norm, name=f"stem-path{pathway}")(x))
        return nn.max_pool(x, (1, 3, 3), (1, 2, 2), [(0, 0), (1, 1), (1, 1)])

    def _block(self, kind, norm, name, pathway, stage, block, x):
        basis = (self.fast_temporal_kernels if pathway else self.temporal_kernels)[stage - 1]
        features = self.planes * 2 ** (stage - 1) // (self.beta_inverse if pathway else 1)
        stride = (1, 1, 1) if block or stage == 1 else (1, 2, 2)
        convs = (
            ConvSpec(features // 4, (basis[block % len(basis)], 1, 1)),
            ConvSpec(features // 4, (1, 3, 3), stride),
            ConvSpec(features, (1, 1, 1)),
        )
        return kind(
            convs,
            stride,
            norm,
            preactivated=False,
            preactivated_shortcut=False,
            leading=True,
            zero_init=self.zero_init,
            closing_relu=True,
            name=name,
        )(x)

    def _joined(self, slow, fast):
        slow = jnp.repeat(slow, self.alpha, axis=1)[:, : fast.shape[1]]
        return jnp.concatenate([fast, slow] if self.fast_first else [slow, fast], -1)


class Fusion(nn.Module, metaclass=OwnHelp):
    """A lateral connection: the slow pathway's features and, beside them, a convolution over time of the fast one's.

    Attributes:
      kernel: frames that the convolution sees.
      alpha: its stride in time.
      norm: makes the `BatchNorm` which, with a ReLU, follows the convolution; None: neither follows.
    """

    kernel: int
    alpha: int
    norm: partial | None

    @nn.compact
    def __call__(
        self, slow: Float[Array, "clip slow_time height width slow_channel"], fast: Clips
    ) -> Float[Array, "clip slow_time height width feature"]:
        """The slow pathway's channels and then twice as many as the fast one has, at the slow one's frames."""
        spec = ConvSpec(2 * fast.shape[-1], (self.kernel, 1, 1), (self.alpha, 1, 1))
        lateral = Conv3D(spec, name="conv1")(fast)
        if self.norm is not None:
            lateral = nn.relu(self.norm(name="bn1")(lateral))
        return jnp.concatenate([slow, lateral], -1)
