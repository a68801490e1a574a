"""A trunk with heads on its blocks: the whole network, built by name, and its fresh variables."""

import re
from dataclasses import fields
from functools import lru_cache
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from r3d_jax.compiling import options_for_once
from r3d_jax.errors import InputError
from r3d_jax.models.conv3d import Clips
from r3d_jax.models.head import Head
from r3d_jax.models.own_help import OwnHelp
from r3d_jax.models.presets import HIDDEN, PRESETS
from r3d_jax.models.resnet3d import ResNet3D
from r3d_jax.models.shapes import abstract_init
from r3d_jax.models.slowfast import SlowFast
from r3d_jax.models.trunk import STAGED, Images
from r3d_jax.models.x3d import X3D

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Classifier(nn.Module, metaclass=OwnHelp):
    """A trunk with heads on its blocks: the whole network, from normalised clips to logits.

    Attributes:
      trunk: what turns clips into features.
      heads: one head gives an array of logits, several a tuple of arrays in their order.
      mean, std: of the pixels over 255, for each channel; `normalise` uses them.
    """

    trunk: ResNet3D | SlowFast | X3D
    heads: tuple[Head, ...]
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    @nn.compact
    def __call__(
        self,
        clips: Clips | Images,
        *,
        train: bool = False,
        freeze_until: str = "",
        freeze_batch_norm: bool = False,
        remat: tuple[int, ...] = (),
        axis_name: str | None = None,
    ) -> Float[Array, "clip class"] | tuple[Float[Array, "clip _"], ...]:
        """Logits of normalised clips, one row each; of several heads, a tuple of them.

        Args:
          clips: normalised, as `normalise` does it; images are clips of one frame.
          train: batch norm uses and updates the batch's statistics; heads drop features.
          freeze_until: in training, the trunk stays as in testing and gets no gradient up to this stage or block, which
            `last_of` takes; empty: all of it is trained.
          freeze_batch_norm: in training, batch norm uses and keeps the running statistics, as in testing; its scale and
            bias are trained.
          remat: stages, from 1, whose blocks are computed again in the backward pass instead of being kept.
          axis_name: mapped axis over which a batch's statistics are shared.

        Raises:
          InputError: no head, or two of one name; an option, a block or a stage that does not exist; channels that do
            not come last; a clip that is too small for a head's pool, or in training too large.
        """
        ids = [head.unique_id for head in self.heads]
        if len(set(ids)) < len(ids) or not ids:
            raise InputError(
                f"a network needs heads, each with its own `unique_id`; these are {', '.join(ids) or 'none'}"
            )
        blocks = self.trunk.block_names()
        names = tuple(head.block or blocks[-1] for head in self.heads)
        options = {"frozen": last_of(blocks, freeze_until)} if train and freeze_until else {}
        wanted = tuple(dict.fromkeys(names))
        options |= {"train": train, "freeze_batch_norm": freeze_batch_norm, "remat": remat, "axis_name": axis_name}
        features = self.trunk(clips, names=wanted, **options)
        logits = tuple(head(features[name], train=train) for head, name in zip(self.heads, names))
        return logits[0] if len(logits) == 1 else logits


def build(
    name: str,
    num_classes: int,
    *,
    block: str = "",
    pool: tuple[int, int, int] | None = None,
    dropout: float = 0.0,
    activation: str = "softmax",
    average: str = "logits",
    mean: tuple[float, ...] = IMAGENET_MEAN,
    std: tuple[float, ...] = IMAGENET_STD,
    **trunk,
) -> Classifier:
    """A network by its name, with one head: a module without weights, which `init_variables` and `load` give.

    For example:

        model = build("r3d_18", 101, pool=(1, 7, 7))
        variables = init_variables(model, jax.random.key(0), (8, 112, 112, 3))
        small = build("r3d_50", 5, blocks=(1, 1, 1, 1), planes=64, width_per_group=16)

    Args:
      name: one of `list_presets`.
      num_classes: columns of the logits.
      block: the trunk's block that the head reads; empty: the last.
      pool: cells (time, height, width) that the head pools, stride 1; None or zeros: all of them.
      dropout: part of the pooled features that is dropped in training.
      activation: what turns logits into probabilities: "softmax", "sigmoid" or "identity".
      average: what is averaged over cells and views: "logits" or "probabilities".
      mean, std: of the pixels over 255, one value for each channel.
      **trunk: fields of the preset's class, `ResNet3D`, `SlowFast` or `X3D`, in place of the preset's; fewer stages in
        `blocks` cut its upper ones off.

    Raises:
      InputError: a name or an option of the trunk that does not exist; not one mean and deviation for each channel.
    """
    if name not in PRESETS:
        raise InputError(f"no network {name!r}; there are {', '.join(PRESETS)}")
    known = options(PRESETS[name])
    if unknown := [option for option in trunk if option not in known]:
        raise InputError(f"no option {', '.join(map(repr, unknown))} of the trunk; there are {', '.join(known)}")
    if not len(mean) == len(std) == trunk.get("input_planes", 3):
        raise InputError(f"`mean` (={mean}) and `std` (={std}) must have one value for each channel of the clips")
    pool = tuple(pool) if pool and any(pool) else None
    head = Head(num_classes, block, pool, dropout, activation, average, hidden=HIDDEN.get(name, 0))
    trunk = {option: tuples(value) for option, value in trunk.items()}
    stages = len(trunk.get("blocks", known["blocks"]))
    lower = {option: known[option][:stages] for option in STAGED if option in known}
    return Classifier(PRESETS[name].clone(**lower | trunk), (head,), tuple(mean), tuple(std))


def last_of(blocks: tuple[str, ...], part: str) -> str:
    """The last block of a part of a trunk, which is called by its own name or by that of its stage.

    For example, `last_of(trunk.block_names(), "stage2")` is "pathway0-stage2-block1" of an R3D-18.

    Args:
      blocks: the names of all, in the order in which they run.
      part: one of them, or "stem", "stage1", "stage2" and so on.

    Raises:
      InputError: no block is called so, and no stage.
    """
    stages = {stage: block for block in blocks for stage in re.findall(r"stem|stage\d+", block)}
    if part not in blocks and part not in stages:
        raise InputError(
            f"no stage and no block {part!r} in this trunk; its stages: {', '.join(stages)}; its blocks: "
            f"{', '.join(blocks)}"
        )
    return part if part in blocks else stages[part]


def options(module: nn.Module) -> dict[str, Any]:
    """The options of a trunk or a head, {field: value}: every field but those that flax adds."""
    return {field.name: getattr(module, field.name) for field in fields(module) if field.name not in ("parent", "name")}


def tuples(value):
    """A copy of `value` with tuples for lists at every depth, so that a module that has it can be hashed."""
    return tuple(map(tuples, value)) if isinstance(value, list | tuple) else value


def init_variables(model: Classifier, key: jax.Array, clip_shape: tuple[int, ...]) -> dict:
    """Fresh `params` and `batch_stats`: {"params": {"trunk": ..., "heads_0": ...}, "batch_stats": {"trunk": ...}}.

    For example, `init_variables(model, jax.random.key(0), (8, 112, 112, 3))`.

    Args:
      key: that the weights are drawn from.
      clip_shape: (time, height, width, channel) of a clip that the network is to take; the weights do not depend on it.

    Raises:
      InputError: an option of the network that does not exist; a clip that is too small for a head's pool.
    """
    init = jax.jit(model.init, compiler_options=options_for_once(key))
    return init(key, jnp.zeros((1, *clip_shape), jnp.float32))


def abstract_variables(model: Classifier) -> dict:
    """The shapes and types of the network's variables, as `jax.ShapeDtypeStruct`s; nothing is computed.

    Raises:
      InputError: an option of the network that does not exist.
    """
    return jax.tree.map(lambda shape: shape, _shapes(model))  # dicts of the caller's own


@lru_cache(maxsize=16)  # reading other projects' weights asks for them again
def _shapes(model):
    heads = tuple(head.clone(pool=None) for head in model.heads)  # so that the smallest clip does
    clips = jax.ShapeDtypeStruct((1, model.trunk.enough_frames(), 1, 1, model.trunk.input_planes), jnp.float32)
    return abstract_init(model.clone(heads=heads), clips)[1]
