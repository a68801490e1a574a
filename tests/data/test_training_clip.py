import numpy as np
import pytest
from videos import encode, frames_of

from r3d_jax.data.training_clip import read_random_clip
from r3d_jax.video.clips import ClipSpec
from r3d_jax.video.probe import probe
from r3d_jax.video.views import Video

CLIP = ClipSpec(frames=3, train_sizes=(24, 26), crop=20, flip=0.0)
WHOLE = {"area": (1.0, 1.0), "aspect": (1.5, 1.5)}  # of frames of 32 x 48, the one crop that there is


def video_of(frames, **changes):
    data = encode(frames, **changes)
    info, packet_index = probe(data)
    return Video(data, packet_index, info)


def halves(turn=None):
    """Stored frames of 32 x 48 whose left half is black and whose right half is white."""
    frames = np.zeros((4, 32, 48, 3), np.uint8)
    frames[:, :, 24:] = 255
    return video_of(frames, codec="libx264", container="mp4", turn=turn)


def test_a_clip_is_a_function_of_the_generator_and_augmented_by_what_follows_in_it():
    video = video_of(frames_of(9))
    first, again = (read_random_clip(video, np.random.default_rng(3), clip=CLIP) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (3, 20, 20, 3)
    negative = read_random_clip(video, np.random.default_rng(3), clip=CLIP, augment=lambda clip, _: 255 - clip)
    np.testing.assert_array_equal(negative, 255 - first)


def test_a_resized_crop_of_all_of_the_frame_is_all_of_it_in_every_frame():
    clip = read_random_clip(halves(), np.random.default_rng(0), clip=CLIP, **WHOLE)
    assert clip.shape == (3, 20, 20, 3)
    assert clip[:, :, :9].max() < 30 and clip[:, :, 11:].min() > 225


@pytest.mark.parametrize("degrees, bright", [(90, np.s_[:9]), (-90, np.s_[11:])])
def test_the_aspect_is_that_of_the_upright_frame(degrees, bright):
    """Turned, 32 x 48 are 48 x 32: all of the frame again, with what was right above or below."""
    video = halves(turn=(degrees, False))
    assert (video.info.height, video.info.width) == (48, 32)
    clip = read_random_clip(video, np.random.default_rng(0), clip=CLIP, area=(1.0, 1.0), aspect=(2 / 3, 2 / 3))
    assert clip[:, bright].min() > 225 and clip.mean() == pytest.approx(127.5, abs=8)
    narrow = {"area": (0.2, 0.2), "aspect": (0.25, 0.25)}  # 35 x 9 of the upright frame: always both halves
    clips = [read_random_clip(video, np.random.default_rng(seed), clip=CLIP, **narrow) for seed in range(20)]
    assert all(clip.min() < 30 and clip.max() > 225 for clip in clips)
    wide = {"area": (0.15, 0.15), "aspect": (4.0, 4.0)}  # 8 x 30: seldom both halves
    clips = [read_random_clip(video, np.random.default_rng(seed), clip=CLIP, **wide) for seed in range(20)]
    assert sum(np.ptp(clip) < 60 for clip in clips) > 10
