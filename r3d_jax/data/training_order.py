"""Which clip stands where in training: a pure function of the seed and the clip's place."""

from collections.abc import Callable
from functools import partial

import numpy as np
from jaxtyping import Int, UInt8

from r3d_jax.data.sampling import balanced_order, epoch_order, steps_per_epoch
from r3d_jax.errors import InputError


def training_order(
    rows: Int[np.ndarray, "video"],
    labels: Int[np.ndarray, "video"] | UInt8[np.ndarray, "video class"],
    *,
    seed: int,
    batch_size: int,
    videos_per_epoch: int = 0,
    balanced: bool = False,
    repeats: int = 1,
) -> tuple[int, Callable[[int, int], tuple[int, list[int]]]]:
    """The batches of an epoch, and what stands where in each batch.

    An epoch shows `videos_per_epoch` videos, or as many as there are, each as `repeats` clips of one batch (repeated
    augmentation, Hoffer et al., arXiv:1901.09335). These are as far apart in the batch as they can be, so that none is
    mixed with another one of its video while there are others. The last batch is filled up with the epoch's first
    videos.

    Args:
      rows: of the data set's index, from which an epoch's videos are drawn.
      labels: of the videos in these rows.
      batch_size: clips.
      balanced: each class is shown equally often, as `sampling.balanced_order` does it; an epoch is as long as without.

    Returns:
      How many batches an epoch has, and a function of (number of a batch, number of a clip in it) that gives the row of
      the clip's video and the seeds of what is drawn for it: (seed, epoch, place among the epoch's clips).

    Raises:
      InputError: the batch cannot be divided by `repeats`.
    """
    if repeats < 1 or batch_size % repeats:
        raise InputError(f"`repeats` (={repeats}) must be at least 1, and divide `batch_size` (={batch_size})")
    videos = videos_per_epoch or len(rows)
    together = batch_size // repeats
    steps = steps_per_epoch(videos, together)
    order = partial(epoch_order, count=len(rows))
    if balanced:
        rows = rows[np.argsort(labels, kind="stable")]
        order = partial(balanced_order, counts=tuple(np.bincount(labels).tolist()), length=videos)

    def stands(batch: int, member: int) -> tuple[int, list[int]]:
        epoch, batch = divmod(batch, steps)
        shown = order(seed, epoch)
        number = batch * together + member % together
        return int(rows[shown[number % videos % len(shown)]]), [seed, epoch, batch * batch_size + member]

    return steps, stands


def names_of(k: int, *, names: np.ndarray, size: int, stands: Callable) -> list[str]:
    """The names of the videos that the clips of training batch k are of, in their order.

    Args:
      names: of every video of the data set.
      size: of a batch.
      stands: the function that `training_order` gives.
    """
    return [str(names[stands(k, member)[0]]) for member in range(size)]
