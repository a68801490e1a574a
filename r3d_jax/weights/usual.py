"""What projects train and test their networks on, where a file of theirs does not say."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from r3d_jax.models.presets import PRESETS
from r3d_jax.models.slowfast import SlowFast
from r3d_jax.video.clips import ClipSpec

# Mean and standard deviation of the pixels over 255 that projects train their networks with; ImageNet's, if none.
KINETICS = {"mean": (0.43216, 0.394666, 0.37645), "std": (0.22803, 0.22145, 0.216989)}
PIXELS = {
    "torchvision": KINETICS,
    "pytorchvideo": {"mean": (0.45,) * 3, "std": (0.225,) * 3},
    "pyslowfast": {"mean": (0.45,) * 3, "std": (0.225,) * 3},
    "kenshohara": {"mean": (0.4345, 0.4051, 0.3775), "std": (0.2768, 0.2713, 0.2737)},
}
# Of 3D-ResNets' older files, whose batch norm did not count batches yet: ActivityNet's mean, and 1 of 255.
OLDER = {"mean": (114.77 / 255, 107.74 / 255, 99.48 / 255), "std": (1 / 255,) * 3}
# (frames, stride) of clips, where nothing else is said, by how many frames become one; the last, for any more. What
# torchvision trained on has 15 frames a second, half of most videos' rate.
CLIPS = {
    "torchvision": {8: (16, 2)},
    "classyvision": {8: (8, 1)},
    "torchvision_2d": {8: (8, 1)},
    "pytorchvideo": {2: (8, 8), 4: (16, 4), 8: (32, 2)},
    "pyslowfast": {2: (8, 8), 4: (16, 4), 8: (32, 2)},
    "mmaction2": {1: (8, 8), 8: (32, 2)},
    "kenshohara": {16: (16, 1)},
}
VMZ_CLIPS = {"vmz_r2plus1d_34": (8, 1), "vmz_r2plus1d_152": (32, 2), "ircsn_152": (32, 2), "ipcsn_152": (32, 2)}
# Edge of the training crop, short edge and squares of a view in testing.
SIZES = {
    "torchvision": (112, 128, 1),
    "classyvision": (112, 128, 1),
    "torchvision_2d": (224, 128, 1),
    "pytorchvideo": (224, 256, 3),
    "pyslowfast": (224, 256, 3),
    "mmaction2": (224, 256, 3),
    "kenshohara": (112, 112, 1),
}


def usual_pixels(naming: str, names: Iterable[str]) -> dict[str, tuple[float, ...]]:
    """Options `mean` and `std` of a project's networks, for pixels over 255; none where they are ImageNet's.

    Args:
      naming: whose names the tensors have: one of `torch_names.NAMINGS`.
      names: of the tensors.
    """
    if naming == "kenshohara" and not any(name.endswith("num_batches_tracked") for name in names):
        return OLDER
    return PIXELS.get(naming, {})


def usual_clip(naming: str, trunk: Any, config: dict[str, Any]) -> ClipSpec:
    """The clip that a project trains and tests a network on.

    Args:
      naming: whose names its tensors have: one of `torch_names.NAMINGS`.
      trunk: of the network.
      config: of the model, ClassyVision's; empty for others.
    """
    reduction, usual = trunk.enough_frames(), CLIPS[naming]
    frames, stride = usual[min((limit for limit in usual if limit >= reduction), default=max(usual))]
    if naming == "torchvision":
        (frames, stride), *_ = [*(clip for name, clip in VMZ_CLIPS.items() if PRESETS[name] == trunk), (frames, stride)]
    if isinstance(trunk, SlowFast):
        frames, stride = 32, 2
    crop, test_size, crops = SIZES[naming]
    frames, crop = config.get("frames_per_clip", frames), config.get("clip_crop_size", crop)
    return changed(ClipSpec(frames=frames, stride=stride, test_size=test_size, crops=crops), {"crop": crop})


def changed(clip: ClipSpec, given: dict[str, Any]) -> ClipSpec:
    """A clip with the settings that are `given`; its training sizes are at least the crop's."""
    other = replace(clip, **given)
    low, high = (max(size, other.crop) for size in other.train_sizes)
    return replace(other, train_sizes=(low, high))
