"""In which type a network computes: in bfloat16 where that is faster and its answers hardly move."""

from collections.abc import Callable

import jax
import numpy as np

from r3d_jax.errors import InputError
from r3d_jax.inference.forward import make_forward, probabilities
from r3d_jax.models import onednn_probe
from r3d_jax.weights.trained import TrainedNetwork

DTYPES = ("auto", "float32", "bfloat16")
MOST = 0.01  # that a probability may move by


def is_faster() -> bool:
    """Whether predictions run on a CPU that multiplies bfloat16 by itself, and oneDNN on it."""
    return jax.default_backend() == "cpu" and onednn_probe.holds("bfloat16", "y")


def choose_dtype(
    network: TrainedNetwork, wanted: str = "auto", *, is_faster: Callable[[], bool] = is_faster
) -> tuple[str, str]:
    """The type of activations for `predict_views` and what is built on it, and a line that tells of it.

    Args:
      wanted: one of DTYPES; "auto": bfloat16 where it is faster and moves the probabilities of a random clip, by MOST
        at most; else float32.
      is_faster: whether it is, on the devices that there are.

    Raises:
      InputError: `wanted` is none of DTYPES; a probability is not finite.
    """
    if wanted not in DTYPES:
        raise InputError(f"`dtype` (={wanted!r}) must be one of {', '.join(DTYPES)}")
    dtype, why = wanted, ""
    if wanted == "auto":
        dtype = "float32"
        if is_faster():
            moved = _moved(network)
            dtype = "bfloat16" if moved <= MOST else "float32"
            why = f"; bfloat16 moves a random clip's probabilities by {moved:.4f} at most, and up to {MOST} is taken"
    line = onednn_probe.describe(dtype) if jax.default_backend() == "cpu" else f"activations are {dtype}"
    return dtype, line + why


def _moved(network):
    """How far a probability of a random clip is in bfloat16 from what it is in float32, at most."""
    shape = (1, 1, *network.clip.shape[:3], network.model.trunk.input_planes)
    clip = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    exact, rough = (probabilities(make_forward(network, dtype=dtype)(clip), network) for dtype in DTYPES[1:])
    return float(np.abs(exact - rough).max())
