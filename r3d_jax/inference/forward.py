"""Clips on the host through a trained network, in batches of few shapes, on all devices."""

from collections.abc import Callable
from functools import partial

import jax
import numpy as np
from jaxtyping import Float

from r3d_jax.errors import InputError
from r3d_jax.inference.programs import program_for, sharding
from r3d_jax.models.cam import grad_cam
from r3d_jax.models.fused import prepared_once
from r3d_jax.models.head import ACTIVATIONS, Head
from r3d_jax.models.predict import Videos, average_views, predict_views
from r3d_jax.weights.trained import TrainedNetwork


def make_forward(network: TrainedNetwork, **static) -> Callable[[Videos], Float[np.ndarray, "video view class"]]:
    """A function of clips, RGB pixels: the logits of the network's first head for every view of every video.

    It takes any number of videos and runs on all devices. A program is compiled for each frame size and for some
    numbers of videos, once for all functions of the networks of one kind; `programs.SHAPES` are kept.

    Args:
      static: further arguments of `predict_views`, such as `views_at_once` and `dtype`.
    """
    return _batched(partial(predict_views, model=_first_head(network), **static), network)


def make_features(
    network: TrainedNetwork, block: str = "", **static
) -> Callable[[Videos], Float[np.ndarray, "video view feature"]]:
    """A function of clips, RGB pixels: a block's features for every view, the mean over time, height and width.

    It takes any number of videos and runs on all devices; what lies above the block is not run.

    Args:
      block: name of the block; empty: the one that the network's first head reads.
      static: further arguments of `predict_views`, such as `views_at_once` and `dtype`.

    Raises:
      InputError: the trunk has no such block; names those that it has.
    """
    block, blocks = block or block_of(network), network.model.trunk.block_names()
    if block not in blocks:
        raise InputError(f"no `block` {block!r} in this network; its blocks: {', '.join(blocks)}")
    model = network.model.clone(heads=(Head(0, block),))
    return _batched(partial(predict_views, model=model, **static), network)


def block_of(network: TrainedNetwork) -> str:
    """Name of the block that the network's first head reads."""
    return network.model.heads[0].block or network.model.trunk.block_names()[-1]


def make_maps(
    network: TrainedNetwork, block: str = ""
) -> Callable[..., Float[np.ndarray, "video view time2 height2 width2"]]:
    """A function of clips and of one class for each video: the Grad-CAM maps that `grad_cam` computes.

    It takes any number of videos and runs on all devices. The function raises InputError for a block that the network
    does not have, or that lies above what its first head reads.

    Args:
      block: name of the block whose output is mapped; empty: the one that the first head reads.
    """
    return _batched(partial(grad_cam, model=_first_head(network), block=block), network)


def probabilities(
    logits: Float[np.ndarray, "video view class"], network: TrainedNetwork
) -> Float[np.ndarray, "video class"]:
    """Each video's probabilities from the logits of its views, averaged as the network's first head says.

    Raises:
      InputError: a probability is not finite, which weights that are far too large lead to.
    """
    found = activated(video_logits(logits, network), network)
    if not np.isfinite(found).all():
        raise InputError(
            "the network's answer is not a number: its weights are finite, but so large that computing with them "
            "overflows; take an earlier checkpoint, or convert it again"
        )
    return found


def video_logits(
    logits: Float[np.ndarray, "video view class"], network: TrainedNetwork
) -> Float[np.ndarray, "video class"]:
    """Each video's logits from the logits of its views, averaged as the network's first head says."""
    return np.asarray(jax.jit(average_views, static_argnames="model")(logits, model=_first_head(network)))


def activated(logits: Float[np.ndarray, "video class"], network: TrainedNetwork) -> Float[np.ndarray, "video class"]:
    """Each video's probabilities from its logits, by the activation of the network's first head."""
    return np.asarray(jax.jit(ACTIVATIONS[network.model.heads[0].activation])(logits))


def _first_head(network):
    """The network without its other heads: class names are of the first."""
    return network.model.clone(heads=network.model.heads[:1])


def _batched(function, network):
    """`function` of variables and arrays whose first axis is padded to few sizes, and to all devices."""
    variables, split = jax.device_put(network.variables, sharding(whole=True)), sharding(whole=False)
    count_of_devices, prepared = len(split.device_set), prepared_once(variables)

    def call(*arrays):
        count = len(arrays[0])
        padded = -(-_filled_up(count) // count_of_devices) * count_of_devices
        filled = tuple(np.concatenate([x, np.repeat(x[-1:], padded - count, 0)]) for x in arrays)
        placed = jax.device_put(filled, split)
        program = program_for(function, variables, placed)
        return np.asarray(program.run(prepared(program.fused), placed))[:count]

    return call


def _filled_up(count):
    """The next of 1, 2, 3, 4, 6, 8, 12, 16, 24, ...: each program is compiled for one size."""
    power = 1 << (count - 1).bit_length()
    return 3 * power // 4 if 4 * count <= 3 * power and power > 2 else power
