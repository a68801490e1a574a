"""A trunk with heads on its blocks, the presets, and `predict_fn`: clips in, logits out."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from r3d_jax.errors import InputError
from r3d_jax.models.conv3d import Clips
from r3d_jax.models.head import Head, average
from r3d_jax.models.resnet3d import ResNet3D

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

PRESETS = {
    "r3d_18": ResNet3D(),
}


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
        clips: Clips,
        *,
        train: bool = False,
        axis_name: str | None = None,
    ) -> Float[Array, "clip class"] | tuple[Float[Array, "clip _"], ...]:
        """Logits of normalised clips. Errors are those of the trunk and the heads."""
        last = self.trunk.block_names()[-1]
        names = tuple(head.block or last for head in self.heads)
        features = self.trunk(clips, train=train, names=names, axis_name=axis_name)
        logits = tuple(head(features[name], train=train) for head, name in zip(self.heads, names))
        return logits[0] if len(logits) == 1 else logits


def build(
    name: str,
    num_classes: int,
    *,
    pool: tuple[int, int, int] | None = None,
    dropout: float = 0.0,
    average: str = "logits",
    mean: tuple[float, ...] = IMAGENET_MEAN,
    std: tuple[float, ...] = IMAGENET_STD,
    **trunk,
) -> Classifier:
    """The network called `name` in PRESETS with one head on its last block.

    Args:
      pool, dropout, average: as in `Head`; a pool of zeros is None.
      **trunk: fields of `ResNet3D` in place of the preset's.

    Raises:
      InputError: a preset that does not exist.
    """
    if name not in PRESETS:
        raise InputError(f"no network {name!r}; there are {', '.join(PRESETS)}")
    pool = tuple(pool) if pool and any(pool) else None
    head = Head(num_classes, pool=pool, dropout=dropout, average=average)
    return Classifier(PRESETS[name].clone(**trunk), (head,), tuple(mean), tuple(std))


def normalise(clips: UInt8[Array | np.ndarray, "... channel"], *, model: Classifier) -> Float[Array, "... channel"]:
    """Pixels 0 to 255 as the network takes them: over 255, less the mean, over the standard deviation."""
    scale = 1 / (255 * jnp.array(model.std, jnp.float32))
    return clips.astype(jnp.float32) * scale - jnp.array(model.mean, jnp.float32) / jnp.array(model.std, jnp.float32)


def predict_views(
    variables: dict, clips: UInt8[Array | np.ndarray, "video view time height width channel"], *, model: Classifier
) -> Float[Array, "video view class"]:
    """One row of logits for each view of each video (of a network with one head)."""
    _check_clips(clips)
    videos, views = clips.shape[:2]
    logits = model.apply(variables, normalise(clips.reshape(-1, *clips.shape[2:]), model=model))
    return logits.reshape(videos, views, -1)


def predict_fn(
    variables: dict, clips: UInt8[Array | np.ndarray, "video view time height width channel"], *, model: Classifier
) -> Float[Array, "video class"]:
    """One row of logits for each video, averaged over its views: pure, to be jitted, mapped, differentiated.

    Raises:
      InputError: clips of another shape or type.
    """
    return average_views(predict_views(variables, clips, model=model), model=model)


def average_views(
    logits: Float[Array | np.ndarray, "video view class"], *, model: Classifier
) -> Float[Array, "video class"]:
    """A video's logits from those of its views, averaged as the head averages its cells."""
    head = model.heads[0]
    return average(logits, (1,), activation=head.activation, of=head.average)


def init_variables(model: Classifier, key: jax.Array, clip_shape: tuple[int, ...]) -> dict:
    """Fresh `params` and `batch_stats` for clips of `clip_shape` (time, height, width, channel)."""
    # At XLA's full effort, compiling the random draws of some 60 arrays takes 8 s on a CPU; at this, 2 s.
    options = {"xla_backend_optimization_level": 1} if jax.default_backend() == "cpu" else None
    init = jax.jit(model.init, compiler_options=options)
    return init(key, jnp.zeros((1, *clip_shape), jnp.float32))


def _check_clips(clips):
    if clips.ndim != 6 or clips.dtype != jnp.uint8:
        raise InputError(
            f"`clips` ({clips.dtype}, shape {clips.shape}) must be uint8 of shape "
            "[video, view, time, height, width, channel]"
        )
    if clips.shape[-1] != 3 and clips.shape[2] == 3:
        raise InputError(f"`clips` (shape {clips.shape}) has its channels first; move them to the last axis")
