"""What every trunk does: it checks its clips and options, and runs the steps up to the blocks that are asked for."""

from collections.abc import Callable

import flax.linen as nn
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from r3d_jax.errors import InputError
from r3d_jax.models.conv3d import Clips

Images = Float[Array | np.ndarray, "image height width channel"]
# A block's name, the function that gives its output, and the names of the steps whose outputs that function takes;
# without such names it takes the output of the step before it, the first step the clips.
Step = tuple[str | Callable, ...]
CLIPS = "clips"  # what a step names to take the clips themselves
# Options that have an entry for each stage, whichever trunk has them.
STAGED = ("temporal_kernels", "fast_temporal_kernels", "temporal_conv_1x1", "temporal_strides", "spatial_strides")


def run(
    steps: list[Step],
    x: Clips | Images,
    *,
    names: tuple[str, ...] = (),
    kept: list[Step] | None = None,
    frozen: str = "",
    offsets: dict[str, Array] | None = None,
    planes: int,
) -> dict[str, Float[Array, "clip ..."]]:
    """Outputs of blocks, {name: array}; no step above the highest of them is run.

    Args:
      steps: of the trunk, in the order in which they run.
      x: normalised clips; an image is a clip of one frame.
      names: of the blocks; none: the last one.
      kept: the steps as they are in testing.
      frozen: name of the last step that is taken from `kept` and gets no gradient, with all before it; empty: none.
      offsets: {block: what is added to its output}.
      planes: channels that the clips must have.

    Raises:
      InputError: a name that no step has; channels that do not come last.
    """
    every = tuple(name for name, *_ in steps)
    names = names or every[-1:]
    asked = (*names, frozen) if frozen else names
    if unknown := [name for name in asked if name not in every]:
        raise InputError(f"no block {', '.join(map(repr, unknown))} in this trunk; its blocks: {', '.join(every)}")
    outputs = {CLIPS: _as_clips(x, planes)}
    before = CLIPS
    count = every.index(frozen) + 1 if frozen else 0
    taken = [*(kept or ())[:count], *steps[count:]][: max(map(every.index, names)) + 1]
    for i, (name, step, *read) in enumerate(taken):
        x = step(*(outputs[each] for each in read or (before,)))
        x = lax.stop_gradient(x) if i < count else x
        outputs[name] = x + offsets[name] if offsets and name in offsets else x
        before = name
    return {name: outputs[name] for name in every if name in names}


def check_options(trunk: nn.Module, positive: tuple[str, ...], choices: dict[str, tuple[str, ...]] | None = None):
    """Refuses options that no trunk can have.

    Args:
      positive: names of the options that are numbers, or nests of them, from 1 on.
      choices: {name of an option: what it can be}.

    Raises:
      InputError: an option that is none of its choices; a number below 1, or none at all.
    """
    for option, allowed in (choices or {}).items():
        if (value := getattr(trunk, option)) not in allowed:
            raise InputError(f"`{option}` (={value!r}) must be one of {', '.join(allowed)}")
    for option in positive:
        if min(_numbers(getattr(trunk, option)), default=0) < 1:
            raise InputError(f"`{option}` (={getattr(trunk, option)}) must be at least 1, and not empty")


def check_stages(trunk: nn.Module, *, remat: tuple[int, ...] = ()):
    """Refuses options that do not go with the number of a trunk's stages, and kernels that have no middle.

    Args:
      remat: stages, from 1, whose blocks are to be computed again.

    Raises:
      InputError: a stage that does not exist; an option with more or fewer entries than stages; an even temporal
        kernel.
    """
    count = len(trunk.blocks)
    for option in (option for option in STAGED if hasattr(trunk, option)):
        if option.endswith("kernels") and any(kernel % 2 == 0 for kernel in _numbers(getattr(trunk, option))):
            raise InputError(f"`{option}` (={getattr(trunk, option)}) must be odd, or blocks would change the length")
        if len(getattr(trunk, option)) != count:
            raise InputError(
                f"`{option}` (={getattr(trunk, option)}) must have one entry for each of the "
                f"{count} stages in `blocks` (={trunk.blocks})"
            )
    if unknown := [stage for stage in remat if not 1 <= stage <= count]:
        raise InputError(
            f"no stage {', '.join(map(str, unknown))} to compute again; there are {count}: `remat` "
            f"takes their numbers, from 1 to {count}"
        )


def _numbers(value):
    """The numbers in a number or in a nest of tuples; 0 for an empty one."""
    if not isinstance(value, tuple | list):
        return [value]
    return [number for item in value for number in _numbers(item)] or [0]


def _as_clips(x, planes):
    clips = x[:, None] if x.ndim == 4 else x
    if clips.ndim != 5 or clips.shape[-1] != planes:
        raise InputError(
            f"clips of shape {x.shape} must be [clip, time, height, width, channel], with {planes} "
            "channels on the last axis"
        )
    return clips
