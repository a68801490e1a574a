"""Clips in, logits out: pure functions of variables and pixels, to be jitted, mapped and differentiated."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, UInt8

from r3d_jax.errors import InputError
from r3d_jax.models.classifier import Classifier
from r3d_jax.models.head import average

Videos = UInt8[Array | np.ndarray, "video view time height width channel"]


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
