"""Videos that cannot be read while a run trains: told once each, counted, and too many of them stop it."""

from typing import Any

import numpy as np

from r3d_jax.data.reading import reason_of_row
from r3d_jax.training.logs import say
from r3d_jax.training.processes import gather, shard


class Failures:
    """Counts the clips that others have replaced, by video.

    Args:
      names: of all videos.
      most: how many videos may fail in any one process; all of them meet most videos in time.
    """

    def __init__(self, names: np.ndarray, most: float):
        self._names, self._most = names, most
        self._reasons: dict[int, str] = {}
        self.clips = 0

    def take(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Notes the batch's `failed` and `reason` and returns the rest of it."""
        rest = {name: value for name, value in batch.items() if name not in ("failed", "reason")}
        for row, packed in zip(batch["failed"].tolist(), batch["reason"]):
            if row < 0:
                continue
            self.clips += 1
            if row not in self._reasons:
                reason = self._reasons[row] = reason_of_row(packed)
                say(f"video {self._names[row]} cannot be read ({reason}); others of its class take its place")
        return rest

    def too_many(self) -> str:
        """What to say where more videos have failed than may; empty where not."""
        if len(self._reasons) <= self._most:
            return ""
        return (
            f"{len(self._reasons)} of the training videos cannot be read, more than `max_broken` allows; "
            f"prepare the data set again from a sound copy, or raise it:{self._listing(self._reasons)}"
        )

    def summary(self) -> str:
        """What has failed in all processes, to be asked in all; empty where nothing has."""
        reasons, clips = gather(self._reasons), sum(map(int, gather({shard()[0]: str(self.clips)}).values()))
        if not reasons:
            return ""
        return f"{clips:,} clips of {len(reasons)} videos that cannot be read were replaced:{self._listing(reasons)}"

    def _listing(self, reasons):
        return "".join(f"\n  {self._names[row]}: {reason}" for row, reason in sorted(reasons.items()))
