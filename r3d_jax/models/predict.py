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
    """Pixels as the network takes them, in float32: over 255, less the model's mean, over its standard deviation.

    Args:
      clips: pixels, 0 to 255.
      model: whose `mean` and `std` have a value for each channel.
    """
    scale = 1 / (255 * jnp.array(model.std, jnp.float32))
    return clips.astype(jnp.float32) * scale - jnp.array(model.mean, jnp.float32) / jnp.array(model.std, jnp.float32)


def predict_views(
    variables: dict, clips: Videos, *, model: Classifier, views_at_once: int = 0, dtype: str = "float32"
) -> Float[Array, "video view class"] | tuple[Float[Array, "video view _"], ...]:
    """Logits of each view of each video; several heads give a tuple of them.

    Pure: to be jitted, mapped and differentiated.

    Args:
      variables: `params` and `batch_stats` of `model`.
      clips: pixels, 0 to 255.
      views_at_once: views that run through the network together, which bounds the memory; 0: all.
      dtype: of the activations, such as "bfloat16"; the logits are float32.

    Raises:
      InputError: clips of another shape or type.
    """
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
    """Logits of each video, averaged over its views: pure, to be jitted, mapped and differentiated.

    Several heads give a tuple of them. For example:

        network = r3d_jax.load("runs/mine")
        predict = jax.jit(partial(r3d_jax.predict_fn, model=network.model))
        probabilities = jax.nn.softmax(predict(network.variables, clips))

    Args:
      variables: `params` and `batch_stats` of `model`.
      clips: pixels, 0 to 255, such as `read_clips(path, network.clip)[None]`.
      views_at_once: views that run through the network together, which bounds the memory; 0: all.
      dtype: of the activations, such as "bfloat16"; the logits are float32.

    Raises:
      InputError: clips of another shape or type.
    """
    views = predict_views(variables, clips, model=model, views_at_once=views_at_once, dtype=dtype)
    return average_views(views, model=model)


def average_views(
    logits: Float[Array | np.ndarray, "video view class"] | tuple[Float[Array | np.ndarray, "video view _"], ...],
    *,
    model: Classifier,
) -> Float[Array, "video class"] | tuple[Float[Array, "video _"], ...]:
    """Logits of videos from those of their views, averaged as each head says (`Head.average`).

    Args:
      logits: as `predict_views` gives them: an array, or of several heads a tuple of arrays.
    """
    if isinstance(logits, tuple):
        return tuple(map(_over_views, logits, model.heads))
    return _over_views(logits, model.heads[0])


def features_fn(
    variables: dict, clips: Videos, *, model: Classifier, blocks: tuple[str, ...]
) -> dict[str, Float[Array, "video view time2 height2 width2 feature"]]:
    """Features: the outputs of blocks of the trunk, {block: array}; what lies above the highest block is not run.

    For example, `features_fn(variables, clips, model=model, blocks=("pathway0-stage4-block1",))`. Pure, to be jitted,
    mapped and differentiated.

    Args:
      variables: `params` and `batch_stats` of `model`; those of blocks and heads that are not run may be missing.
      clips: pixels, 0 to 255.
      blocks: names of the trunk's `block_names`.

    Raises:
      InputError: a block that does not exist; clips of another shape or type.
    """
    check_clips(clips, model)
    trunk = {kind: tree["trunk"] for kind, tree in variables.items()}
    features = model.trunk.apply(trunk, normalise(merge_views(clips), model=model), names=tuple(blocks))
    return {name: x.reshape(*clips.shape[:2], *x.shape[1:]) for name, x in features.items()}


def merge_views(clips: Videos) -> UInt8[Array | np.ndarray, "clip time height width channel"]:
    """The views of all videos as so many clips, one video's after the other's."""
    return clips.reshape(-1, *clips.shape[2:])


def _over_views(logits, head):
    of = "logits" if head.average == "logits" else "probabilities"
    return average(logits, (1,), activation=head.activation, of=of)


def check_clips(clips: Videos, model: Classifier) -> None:
    """Refuses clips that are not what the network takes.

    Raises:
      InputError: `clips` are not uint8 of shape [video, view, time, height, width, channel], or have other channels
        than the network.
    """
    channels = model.trunk.input_planes
    if clips.ndim != 6 or clips.dtype != jnp.uint8:
        raise InputError(
            f"`clips` ({clips.dtype}, shape {clips.shape}) must be uint8 of shape "
            "[video, view, time, height, width, channel]"
        )
    if clips.shape[-1] != channels:
        where = "its channels first; move them to the last axis" if clips.shape[2] == channels else "other channels"
        raise InputError(f"`clips` (shape {clips.shape}) must have {channels} channels last; it has {where}")
