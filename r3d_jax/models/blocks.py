"""What the trunk is made of: convolutions in a row, and a residual block of such a row and a shortcut."""

from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jax.nn.initializers import variance_scaling
from jaxtyping import Array, Float

from r3d_jax.errors import InputError
from r3d_jax.models.conv3d import Clips, conv3d
from r3d_jax.models.own_help import OwnHelp
from r3d_jax.models.parameter import parameter


class ConvSpec(NamedTuple):
    """One convolution of a branch, zero-padded by half its kernel, so that only its stride makes clips smaller.

    Attributes:
      features: channels that come out.
      kernel, stride: in time, height and width.
      groups: that the channels are split into, each convolved by itself; 1: none.
      relu: whether a ReLU stands between its batch norm and the next convolution of its branch.
    """

    features: int
    kernel: tuple[int, int, int]
    stride: tuple[int, int, int] = (1, 1, 1)
    groups: int = 1
    relu: bool = True


class Conv3D(nn.Module, metaclass=OwnHelp):
    """A convolution; its weights start Kaiming-normal over the fan-out (He et al., arXiv:1502.01852).

    Attributes:
      spec: what is convolved with what.
      zero: start at zero instead.
      bias: whether a bias is added, which starts at zero.
    """

    spec: ConvSpec
    zero: bool = False
    bias: bool = False

    @nn.compact
    def __call__(self, x: Clips) -> Float[Array, "clip t h w feature"]:
        """The clips convolved, in their own precision.

        Raises:
          InputError: groups that do not divide the channels that come in and those that go out.
        """
        features, kernel, stride, groups, _ = self.spec
        if x.shape[-1] % groups or features % groups:
            raise InputError(
                f"`groups` (={groups}) must divide the {x.shape[-1]} and {features} channels of {self.name}"
            )
        # The reference's fan-out is features * kernel volume, whatever the number of groups.
        init = nn.initializers.zeros if self.zero else variance_scaling(2.0, "fan_out", "normal")
        shape = (*kernel, x.shape[-1] // groups, features)
        weights = parameter(self, "kernel", init, shape)
        out = conv3d(x, weights.astype(x.dtype), stride, padding=tuple(k // 2 for k in kernel), groups=groups)
        if not self.bias:
            return out
        return out + parameter(self, "bias", nn.initializers.zeros, (features,)).astype(x.dtype)


class Branch(nn.Module, metaclass=OwnHelp):
    """Convolutions in a row: each followed by batch norm, with ReLU between; or, pre-activated, led by both.

    Attributes:
      convs: first to last.
      norm: makes a `BatchNorm`, given its name and what its scale starts from.
      preactivated: batch norm and ReLU come before each convolution (He et al., arXiv:1603.05027).
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
        """The clips after the last convolution, or after its batch norm; no ReLU is behind it."""
        for i, spec in enumerate(self.convs, start=1):
            last = self.zero_init and i == len(self.convs)
            if self.preactivated:
                if i > 1 or self.leading:
                    x = nn.relu(self.norm(name=f"bn{i}")(x))
                x = Conv3D(spec, zero=last, name=f"conv{i}")(x)
            else:
                x = nn.relu(x) if i > 1 and self.convs[i - 2].relu else x
                x = Conv3D(spec, name=f"conv{i}")(x)
                scale_init = nn.initializers.zeros if last else nn.initializers.ones
                x = self.norm(scale_init=scale_init, name=f"bn{i}")(x)
        return x


class Block(nn.Module, metaclass=OwnHelp):
    """A residual branch plus a shortcut around it (He et al., arXiv:1512.03385).

    The shortcut is the identity where shapes agree, else a projection: a 1x1x1 convolution at the block's stride.
    Without `projection` it is what lies on the stride, with zeros for the channels that are missing (the paper's
    option A).

    Attributes:
      convs: of the residual branch.
      stride: of the whole block, in time, height and width.
      norm: makes a `BatchNorm`, given its name and what its scale starts from.
      preactivated, preactivated_shortcut: whether batch norm and ReLU lead the convolutions of the branch, of the
        projection.
      leading: whether a pre-activated branch starts with batch norm and ReLU.
      zero_init: start as the shortcut alone.
      closing_relu: a ReLU after the sum.
      projection: where shapes differ.
    """

    convs: tuple[ConvSpec, ...]
    stride: tuple[int, int, int]
    norm: partial
    preactivated: bool
    preactivated_shortcut: bool
    leading: bool
    zero_init: bool
    closing_relu: bool
    projection: bool = True

    @nn.compact
    def __call__(self, x: Clips) -> Float[Array, "clip t h w feature"]:
        """The sum of the branch and the shortcut of the clips.

        Raises:
          InputError: without `projection`, fewer channels that go out than come in.
        """
        features = self.convs[-1].features
        branch = partial(Branch, norm=self.norm, leading=self.leading)
        residual = branch(self.convs, preactivated=self.preactivated, zero_init=self.zero_init, name="residual")(x)
        if not self.projection:
            x = _zero_padded(x, residual.shape, self.stride)
        elif x.shape[-1] != features or self.stride != (1, 1, 1):
            projection = (ConvSpec(features, (1, 1, 1), self.stride),)
            x = branch(projection, preactivated=self.preactivated_shortcut, name="shortcut")(x)
        return nn.relu(residual + x) if self.closing_relu else residual + x


def _zero_padded(x, shape, stride):
    features = shape[-1]
    if x.shape[-1] > features:
        raise InputError(f"a zero-padded shortcut cannot make {features} channels of {x.shape[-1]}; project instead")
    # In an exported program sizes are formulas; with these ends, the slice's are those of the branch.
    ends = [(n - 1) * s + 1 for n, s in zip(shape[1:4], stride)]
    met = lax.slice(x, [0] * 5, [x.shape[0], *ends, x.shape[-1]], [1, *stride, 1])
    return jnp.pad(met, [(0, 0)] * 4 + [(0, features - x.shape[-1])])
