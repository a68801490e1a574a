"""How published networks were tested, as clip settings."""

from r3d_jax.errors import InputError
from r3d_jax.video.clips import ClipSpec


def clip_of(
    *,
    frames: int,
    stride: int,
    test_size: int,
    crop: int,
    crops: int,
    views: int,
    train_crop: int,
    frame_rate: float = 0.0,
) -> ClipSpec:
    """The clip of a network from the numbers that its authors state for testing it.

    For example, R3D-18 of torchvision, five clips of the middle 112 x 112, and SlowFast, ten clips of three squares:

        clip_of(frames=16, stride=1, frame_rate=15, test_size=128, crop=112, crops=1, views=5, train_crop=112)
        clip_of(frames=32, stride=2, test_size=256, crop=256, crops=3, views=10, train_crop=224)

    What is averaged over crops and views, logits or probabilities, is the head's to say (`Head.average`).

    Args:
      frames, stride, frame_rate, test_size, crops, views: as in `ClipSpec`.
      crop: pixels of the edge of the squares that are cut in testing.
      train_crop: pixels of the edge of the square that is cut in training. Its frames' short edge is drawn from
        `test_size` to a quarter more, as 256 to 320 in SlowFast (arXiv:1812.03982), but is never below it.

    Raises:
      InputError: a number out of its range; one crop, or ten, larger than the frame; three crops of another edge than
        the frame's, or ten of another than in training.
    """
    edges = {1: crop, 3: test_size, 10: train_crop}
    if crop != edges.get(crops, crop) or crop > test_size:
        raise InputError(
            f"`crop` (={crop}) cannot be cut as {crops} crops from frames of `test_size` {test_size}: one is at most "
            f"as large, three are {test_size}, ten are `train_crop` ({train_crop})"
        )
    smallest = max(test_size, train_crop)
    return ClipSpec(
        frames=frames,
        stride=stride,
        frame_rate=float(frame_rate),
        train_sizes=(smallest, smallest * 5 // 4),
        crop=train_crop,
        test_size=test_size,
        test_crop=crop if crops == 1 else 0,
        views=views,
        crops=crops,
    )
