"""Frames under a map of what speaks for a class, painted over them in colours."""

import base64

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

PICTURES = 10  # of a video on a page, at most
STRONGEST = 0.65  # part of the colour where the map is at its highest

Maps = Float32[np.ndarray, "time2 height2 width2"]


def overlay(
    frames: UInt8[np.ndarray, "time height width 3"], maps: Maps, highest: float
) -> UInt8[np.ndarray, "time height width 3"]:
    """The RGB frames of a clip under its map, which is stretched over them, linearly in time, height and width.

    Args:
      highest: value of the map that is painted most strongly: one for all clips that are to be compared.
    """
    return np.stack([overlay_one(frames, i, maps, highest) for i in range(len(frames))])


def middle_frames(
    views: UInt8[np.ndarray, "view time height width 3"], maps: Float32[np.ndarray, "view time2 height2 width2"]
) -> list[UInt8[np.ndarray, "height width 3"]]:
    """The middle frame of each view of a video, in RGB, under the view's map; all maps are on one scale."""
    middle, highest = views.shape[1] // 2, float(maps.max())
    return [overlay_one(view, middle, its, highest) for view, its in zip(views, maps)]


def overlay_one(
    frames: UInt8[np.ndarray, "time height width 3"], i: int, maps: Maps, highest: float
) -> UInt8[np.ndarray, "height width 3"]:
    """Frame `i` of a clip, in RGB, under the clip's map at its time.

    Args:
      frames: all frames of the clip, which the map is stretched over.
      highest: value of the map that is painted most strongly.
    """
    frame = frames[i]
    place = np.clip((i + 0.5) * len(maps) / len(frames) - 0.5, 0, len(maps) - 1)
    before, rest = int(place), place - int(place)
    after = min(before + 1, len(maps) - 1)
    heat = ((1 - rest) * maps[before] + rest * maps[after]) / max(highest, 1e-12)
    heat = cv2.resize(heat.astype(np.float32), frame.shape[1::-1], interpolation=cv2.INTER_LINEAR).clip(0, 1)
    colours = cv2.applyColorMap((255 * heat).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1]
    weight = STRONGEST * heat[..., None]
    return (frame * (1 - weight) + colours * weight + 0.5).astype(np.uint8)


def as_url(picture: UInt8[np.ndarray, "height width 3"]) -> str:
    """The address of an RGB picture that a page can show: it holds the picture itself, as a JPEG."""
    encoded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()
