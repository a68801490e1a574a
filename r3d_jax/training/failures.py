"""Videos that cannot be read while a run trains: told once each, counted, and too many of them stop it."""

from typing import Any

import numpy as np

from r3d_jax.errors import InputError
from r3d_jax.training.progress import say


class Failures:
    """Counts the clips that others have replaced, by video.

    Args:
      names: of all videos.
      most: how many videos may fail.
    """

    def __init__(self, names: np.ndarray, most: float):
        self._names, self._most = names, most
        self._reasons: dict[int, str] = {}
        self.clips = 0

    def take(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Notes the batch's `failed` and `reason` and returns the rest of it.

        Raises:
          InputError: more videos have failed than may.
        """
        rest = {name: value for name, value in batch.items() if name not in ("failed", "reason")}
        for row, reason in zip(batch["failed"].tolist(), batch["reason"].tolist()):
            if row < 0:
                continue
            self.clips += 1
            if row not in self._reasons:
                self._reasons[row] = reason
                say(f"video {self._names[row]} cannot be read ({reason}); others of its class take its place")
        if len(self._reasons) > self._most:
            raise InputError(
                f"{len(self._reasons)} of the training videos cannot be read, more than the share that "
                f"`data.max_broken` allows; prepare the data set again from a sound copy, or raise it:{self._listing()}"
            )
        return rest

    def summary(self) -> str:
        """What has failed in all; empty where nothing has."""
        if not self._reasons:
            return ""
        return (
            f"{self.clips:,} clips of {len(self._reasons)} videos that cannot be read were replaced:{self._listing()}"
        )

    def _listing(self):
        return "".join(f"\n  {self._names[row]}: {reason}" for row, reason in sorted(self._reasons.items()))
