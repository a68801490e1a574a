"""A trunk with heads on its blocks, and `predict_fn`: clips in, logits out."""

from dataclasses import fields
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, UInt8

from r3d_jax.errors import InputError
from r3d_jax.models.conv3d import Clips
from r3d_jax.models.head import Head, average
from r3d_jax.models.presets import PRESETS
from r3d_jax.models.resnet3d import Images, ResNet3D

Videos = UInt8[Array | np.ndarray, "video view time height width channel"]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Classifier(nn.Module):
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


def normalise(clips: UInt8[Array | np.ndarray, "... channel"], *, model: Classifier) -> Float[Array, "... channel"]:
    """Pixels 0 to 255 as the network takes them: over 255, less the mean, over the standard deviation."""
    scale = 1 / (255 * jnp.array(model.std, jnp.float32))
    return clips.astype(jnp.float32) * scale - jnp.array(model.mean, jnp.float32) / jnp.array(model.std, jnp.float32)


def predict_views(
    variables: dict, clips: Videos, *, model: Classifier, views_at_once: int = 0, dtype: str = "float32"
) -> Float[Array, "video view class"] | tuple[Float[Array, "video view _"], ...]:
    """One row of logits for each view of each video; several heads give a tuple of them. See `predict_fn`."""
    check_clips(clips, model)

    def forward(clips):
        return model.apply(variables, normalise(clips, model=model).astype(dtype))

    if 0 < views_at_once < clips.shape[1]:
        logits = lax.map(forward, jnp.moveaxis(clips, 1, 0), batch_size=views_at_once)
        return jax.tree.map(lambda rows: jnp.moveaxis(rows, 0, 1), logits)
    logits = forward(merge_views(clips))
    return jax.tree.map(lambda rows: rows.reshape(*clips.shape[:2], -1), logits)


def predict_fn(
    variables: dict, clips: Videos, *, model: Classifier, views_at_once: int = 0, dtype: str = "float32"
) -> Float[Array, "video class"] | tuple[Float[Array, "video _"], ...]:
    """One row of logits for each video, averaged over its views: pure, to be jitted, mapped, differentiated.

    Several heads give a tuple of them.

    Args:
      views_at_once: views that run through the network together, which bounds the memory; 0: all.
      dtype: of the activations; the logits are float32.

    Raises:
      InputError: clips of another shape or type.
    """
    views = predict_views(variables, clips, model=model, views_at_once=views_at_once, dtype=dtype)
    return average_views(views, model=model)


def average_views(logits, *, model: Classifier):
    """A video's logits from those of its views [video, view, class], averaged as each head averages its cells."""
    if isinstance(logits, tuple):
        return tuple(map(_over_views, logits, model.heads))
    return _over_views(logits, model.heads[0])


def features_fn(
    variables: dict, clips: Videos, *, model: Classifier, blocks: tuple[str, ...]
) -> dict[str, Float[Array, "video view time2 height2 width2 feature"]]:
    """Outputs of the trunk's `blocks` (see `ResNet3D.block_names`); what lies above the highest of them is not run.

    Raises:
      InputError: a block that does not exist; clips of another shape or type.
    """
    check_clips(clips, model)
    trunk = {kind: tree["trunk"] for kind, tree in variables.items()}
    features = model.trunk.apply(trunk, normalise(merge_views(clips), model=model), names=tuple(blocks))
    return {name: x.reshape(*clips.shape[:2], *x.shape[1:]) for name, x in features.items()}


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


def merge_views(clips: Videos) -> UInt8[Array | np.ndarray, "clip time height width channel"]:
    """The views of all videos as so many clips."""
    return clips.reshape(-1, *clips.shape[2:])


def _over_views(logits, head):
    return average(logits, (1,), activation=head.activation, of=head.average)


def check_clips(clips: Videos, model: Classifier) -> None:
    """Raises InputError unless `clips` are what the network takes."""
    channels = model.trunk.input_planes
    if clips.ndim != 6 or clips.dtype != jnp.uint8:
        raise InputError(
            f"`clips` ({clips.dtype}, shape {clips.shape}) must be uint8 of shape "
            "[video, view, time, height, width, channel]"
        )
    if clips.shape[-1] != channels:
        where = "its channels first; move them to the last axis" if clips.shape[2] == channels else "other channels"
        raise InputError(f"`clips` (shape {clips.shape}) must have {channels} channels last; it has {where}")
