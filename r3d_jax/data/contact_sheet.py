"""A contact sheet: training clips as the network sees them, one a row, their frames side by side."""

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from r3d_jax.files import whole

GAP, LINE = 2, 16  # pixels between frames; height of a row's caption


def draw_sheet(
    clips: UInt8[np.ndarray, "clip time height width 3"], captions: list[str]
) -> UInt8[np.ndarray, "rows columns 3"]:
    """Draws each clip as a row of its frames, under its caption, on white; the image and the clips are RGB.

    Raises:
      ValueError: there are more clips than captions, or fewer.
    """
    _, time, height, width, _ = clips.shape
    wide = max(time * (width + GAP) - GAP, 1)
    rows = []
    for clip, caption in zip(clips, captions, strict=True):
        row = np.full((LINE + height + GAP, wide, 3), 255, np.uint8)
        cv2.putText(row, caption, (2, LINE - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
        for i, frame in enumerate(clip):
            row[LINE : LINE + height, i * (width + GAP) : i * (width + GAP) + width] = frame
        rows.append(row)
    return np.concatenate(rows)


def write_png(image: UInt8[np.ndarray, "rows columns 3"], path: Path) -> None:
    """Writes an RGB image to `path` as a PNG, whole or not at all.

    Raises:
      OSError: the folder cannot be written to.
    """
    with whole(path) as unfinished:
        unfinished.write_bytes(cv2.imencode(".png", image[..., ::-1])[1].tobytes())
