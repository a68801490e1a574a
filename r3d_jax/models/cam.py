"""Grad-CAM: which places of a clip speak for a class (Selvaraju et al., arXiv:1610.02391)."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from r3d_jax.errors import InputError
from r3d_jax.models.classifier import Classifier
from r3d_jax.models.predict import Videos, check_clips, merge_views, normalise


def grad_cam(
    variables: dict,
    clips: Videos,
    classes: Int[Array | np.ndarray, "video"],
    *,
    model: Classifier,
    block: str = "",
    head: int = 0,
) -> Float[Array, "video view time2 height2 width2"]:
    """Each video's map for its class, at the resolution of the block's output; not negative, not scaled.

    The channels of the block's output, each weighted by the mean over its places of the gradient of the class's logit
    with respect to it, are summed, and what is below zero is cut off (Selvaraju et al., arXiv:1610.02391). At the last
    block, under a head that pools everything, this is the class activation map (Zhou et al., arXiv:1512.04150). The
    function is pure, to be jitted and mapped. For example:

        maps = jax.jit(partial(grad_cam, model=model, block="pathway0-stage3-block1"))
        maps(variables, clips, classes)[0, 0]  # of the first view of the first video: [time, height, width]

    Args:
      variables: `params` and `batch_stats` of `model`.
      clips: pixels, 0 to 255.
      classes: one class for each video, whose views are looked at one by one.
      block: one of the trunk's `block_names`; empty: the block that the head reads, the last one usually.
      head: which of several heads.

    Raises:
      InputError: a block that does not exist or lies above the head's; clips of another shape or type.
    """
    check_clips(clips, model)
    names = model.trunk.block_names()
    read = model.heads[head].block or names[-1]
    block = block or read
    if block in names and names.index(block) > names.index(read):
        raise InputError(f"block {block!r} lies above {read}, which the head reads; name one up to there")
    trunk = {kind: tree["trunk"] for kind, tree in variables.items()}
    x = normalise(merge_views(clips), model=model)
    chosen = jnp.repeat(jnp.asarray(classes), clips.shape[1])

    def logit(offset):
        features = model.trunk.apply(trunk, x, names=(block, read), offsets={block: offset})
        logits = model.heads[head].apply({"params": variables["params"][f"heads_{head}"]}, features[read])
        return jnp.take_along_axis(logits, chosen[:, None], 1).sum(), features[block]

    like = jax.eval_shape(lambda: model.trunk.apply(trunk, x, names=(block,))[block])
    offset = jnp.zeros(like.shape, like.dtype)
    if axes := tuple(jax.typeof(x).manual_axis_type.varying):
        offset = lax.pcast(offset, axes, to="varying")  # or its gradient would be summed over the devices
    gradient, features = jax.grad(logit, has_aux=True)(offset)
    weights = gradient.mean((1, 2, 3), keepdims=True)
    maps = jax.nn.relu((weights * features).sum(-1))
    return maps.reshape(*clips.shape[:2], *maps.shape[1:])
