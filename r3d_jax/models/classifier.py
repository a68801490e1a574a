"""A trunk with heads on its blocks: the whole network, built by name, and its fresh variables."""

from dataclasses import fields
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from r3d_jax.errors import InputError
from r3d_jax.models.conv3d import Clips
from r3d_jax.models.head import Head
from r3d_jax.models.own_help import OwnHelp
from r3d_jax.models.presets import PRESETS
from r3d_jax.models.resnet3d import Images, ResNet3D

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Classifier(nn.Module, metaclass=OwnHelp):
    """A trunk and its heads.

    Attributes:
      heads: one head gives an array, several a tuple of arrays in their order.
      mean, std: of the pixels over 255, for each channel; `normalise` uses them.
    """

    trunk: ResNet3D
    heads: tuple[Head, ...]
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    @nn.compact
    def __call__(
        self,
        clips: Clips | Images,
        *,
        train: bool = False,
        freeze_trunk: bool = False,
        remat: tuple[int, ...] = (),
        axis_name: str | None = None,
    ) -> Float[Array, "clip class"] | tuple[Float[Array, "clip _"], ...]:
        """Logits of normalised clips.

        Args:
          train: batch norm uses and updates the batch's statistics; heads drop features.
          freeze_trunk: in training, the trunk stays as in testing and gets no gradient.
          remat: as in `ResNet3D`.
          axis_name: mapped axis over which a batch's statistics are shared.

        Raises:
          InputError: no head, or two of one name; and the errors of the trunk and the heads.
        """
        ids = [head.unique_id for head in self.heads]
        if len(set(ids)) < len(ids) or not ids:
            raise InputError(
                f"a network needs heads, each with its own `unique_id`; these are {', '.join(ids) or 'none'}"
            )
        last = self.trunk.block_names()[-1]
        names = tuple(head.block or last for head in self.heads)
        trained = train and not freeze_trunk
        wanted = tuple(dict.fromkeys(names))
        features = self.trunk(clips, train=trained, names=wanted, remat=remat, axis_name=axis_name)
        if freeze_trunk:
            features = lax.stop_gradient(features)
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
    """The network called `name` in PRESETS with one head.

    Args:
      block, pool, dropout, activation, average: as in `Head`; a pool of zeros is None.
      mean, std: as in `Classifier`.
      **trunk: fields of `ResNet3D` in place of the preset's.

    Raises:
      InputError: a preset or an option that does not exist.
    """
    if name not in PRESETS:
        raise InputError(f"no network {name!r}; there are {', '.join(PRESETS)}")
    known = options(PRESETS[name])
    if unknown := [option for option in trunk if option not in known]:
        raise InputError(f"no option {', '.join(map(repr, unknown))} of the trunk; there are {', '.join(known)}")
    if not len(mean) == len(std) == trunk.get("input_planes", 3):
        raise InputError(f"`mean` (={mean}) and `std` (={std}) must have one value for each channel of the clips")
    pool = tuple(pool) if pool and any(pool) else None
    head = Head(num_classes, block=block, pool=pool, dropout=dropout, activation=activation, average=average)
    trunk = {option: tuples(value) for option, value in trunk.items()}
    return Classifier(PRESETS[name].clone(**trunk), (head,), tuple(mean), tuple(std))


def options(module: nn.Module) -> dict[str, Any]:
    """The fields of a trunk or a head that are its options."""
    return {field.name: getattr(module, field.name) for field in fields(module) if field.name not in ("parent", "name")}


def tuples(value):
    """`value` with tuples for lists, at every depth: what a module needs to be hashed."""
    return tuple(map(tuples, value)) if isinstance(value, list | tuple) else value


def init_variables(model: Classifier, key: jax.Array, clip_shape: tuple[int, ...]) -> dict:
    """Fresh `params` and `batch_stats` for clips of `clip_shape` (time, height, width, channel)."""
    # At XLA's full effort, compiling the random draws of some 60 arrays takes 8 s on a CPU; at this, 2 s.
    options = {"xla_backend_optimization_level": 1} if jax.default_backend() == "cpu" else None
    init = jax.jit(model.init, compiler_options=options)
    return init(key, jnp.zeros((1, *clip_shape), jnp.float32))


def abstract_variables(model: Classifier) -> dict:
    """The shapes and types of the network's variables, which do not depend on the clip."""
    heads = tuple(head.clone(pool=None) for head in model.heads)  # so that the smallest clip does
    clips = jnp.zeros((1, 1, 1, 1, model.trunk.input_planes))
    return jax.eval_shape(model.clone(heads=heads).init, jax.random.key(0), clips)
