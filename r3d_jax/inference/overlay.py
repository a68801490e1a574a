"""Frames with what speaks for a class painted over them."""

import cv2
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from r3d_jax.models.cam import stretched

STRONGEST = 0.65  # share of the colour where the map is at its highest


def overlay(
    frames: UInt8[np.ndarray, "time height width 3"],
    maps: Float[np.ndarray, "time2 height2 width2"],
    highest: float,
) -> UInt8[np.ndarray, "time height width 3"]:
    """`frames` under the map of their clip, which is stretched over them.

    Args:
      highest: the map's value that is painted most strongly: the same for all clips that are to be compared.
    """
    heat = np.asarray(stretched(jnp.asarray(maps), frames.shape[:3]))
    heat = (heat / max(highest, 1e-12)).clip(0, 1)
    painted = []
    for frame, share in zip(frames, heat):
        colours = cv2.applyColorMap((255 * share).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1]
        share = STRONGEST * share[..., None]
        painted.append((frame * (1 - share) + colours * share + 0.5).astype(np.uint8))
    return np.stack(painted)
