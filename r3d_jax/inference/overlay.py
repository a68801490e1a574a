"""Frames with what speaks for a class painted over them."""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

STRONGEST = 0.65  # share of the colour where the map is at its highest

Maps = Float32[np.ndarray, "time2 height2 width2"]


def overlay(
    frames: UInt8[np.ndarray, "time height width 3"], maps: Maps, highest: float
) -> UInt8[np.ndarray, "time height width 3"]:
    """`frames` of a clip under its map, which is stretched over them, linearly in time, height and width.

    Args:
      highest: the map's value that is painted most strongly: the same for all clips that are to be compared.
    """
    return np.stack([overlay_one(frames, i, maps, highest) for i in range(len(frames))])


def middle_frames(
    views: UInt8[np.ndarray, "view time height width 3"], maps: Float32[np.ndarray, "view time2 height2 width2"]
) -> list[UInt8[np.ndarray, "height width 3"]]:
    """The middle frame of each view under the view's map, all on one scale."""
    middle, highest = views.shape[1] // 2, float(maps.max())
    return [overlay_one(view, middle, its, highest) for view, its in zip(views, maps)]


def overlay_one(
    frames: UInt8[np.ndarray, "time height width 3"], i: int, maps: Maps, highest: float
) -> UInt8[np.ndarray, "height width 3"]:
    """Frame `i` of them."""
    frame = frames[i]
    place = np.clip((i + 0.5) * len(maps) / len(frames) - 0.5, 0, len(maps) - 1)
    before, share = int(place), place - int(place)
    after = min(before + 1, len(maps) - 1)
    heat = ((1 - share) * maps[before] + share * maps[after]) / max(highest, 1e-12)
    heat = cv2.resize(heat.astype(np.float32), frame.shape[1::-1], interpolation=cv2.INTER_LINEAR).clip(0, 1)
    colours = cv2.applyColorMap((255 * heat).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1]
    weight = STRONGEST * heat[..., None]
    return (frame * (1 - weight) + colours * weight + 0.5).astype(np.uint8)
