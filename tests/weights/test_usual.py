import pytest

from r3d_jax.models.presets import PRESETS
from r3d_jax.video.clips import ClipSpec
from r3d_jax.weights.usual import changed, usual_clip, usual_pixels


@pytest.mark.parametrize(
    "naming, name, frames, stride",
    [
        ("pytorchvideo", "slow_r50", 8, 8),
        ("pytorchvideo", "c2d_r50", 8, 8),
        ("pytorchvideo", "r2plus1d_r50", 16, 4),
        ("pytorchvideo", "csn_r101", 32, 2),
        ("mmaction2", "slow_r101", 8, 8),
        ("mmaction2", "mmaction2_i3d_r50_heavy", 32, 2),
        ("mmaction2", "ipcsn_152", 32, 2),
        ("kenshohara", "kenshohara_resnext_101", 16, 1),
        ("torchvision", "mc3_18", 16, 2),
        ("torchvision", "vmz_r2plus1d_34", 8, 1),
        ("torchvision", "ircsn_152", 32, 2),
    ],
)
def test_clips_are_those_that_a_project_uses(naming, name, frames, stride):
    clip = usual_clip(naming, PRESETS[name], {})
    assert (clip.frames, clip.stride) == (frames, stride)
    large = naming in ("pytorchvideo", "mmaction2")
    assert (clip.crop, clip.crops) == ((224, 3) if large else (112, 1))
    assert clip.test_size == (256 if large else 112 if naming == "kenshohara" else 128)


def test_a_slowfast_network_sees_the_fast_pathways_frames():
    clip = usual_clip("pytorchvideo", PRESETS["slowfast_r50"], {})
    assert (clip.frames, clip.stride, clip.test_size) == (32, 2, 256)


def test_older_files_of_3d_resnets_have_pixels_of_their_own():
    assert usual_pixels("kenshohara", ["bn1.num_batches_tracked"])["mean"] == (0.4345, 0.4051, 0.3775)
    assert usual_pixels("kenshohara", ["bn1.weight"])["std"] == (1 / 255,) * 3
    assert usual_pixels("mmaction2", []) == {}


def test_training_sizes_are_at_least_the_crops():
    assert changed(ClipSpec(), {"crop": 224}).train_sizes == (224, 224)
