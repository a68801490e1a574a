import numpy as np
import pytest
from seeded import arrays_of

from r3d_jax.data import transforms
from r3d_jax.data.transforms import resize, short_edge_size, train_transform
from r3d_jax.data.transforms import test_transform as whole_frame

GOLDEN = arrays_of("resize")


@pytest.mark.parametrize("size", [13, 16, 20, 36])
def test_resizing_is_the_references(size):
    frames, expected = GOLDEN["frames"], GOLDEN[f"short_edge_{size}"]
    target = short_edge_size(*frames.shape[1:3], size)
    assert target == expected.shape[1:3]
    np.testing.assert_allclose(resize(frames, target) / 255, expected, atol=2e-6)
    assert np.abs(whole_frame(frames, size=size) - 255 * expected).max() <= 0.501


def test_resizing_with_aligned_corners_is_noticed(monkeypatch):
    def aligned(size_in, size_out, crop):
        at = np.linspace(0, size_in - 1, size_out)[crop]
        low = np.floor(at).astype(int)
        return low, np.minimum(low + 1, size_in - 1), (at - low).astype(np.float32)

    monkeypatch.setattr(transforms, "_weights", aligned)
    for size in (13, 16, 20, 36):
        with pytest.raises(AssertionError, match="Not equal to tolerance"):
            test_resizing_is_the_references(size)


def test_ucf101_frames_become_128_by_170():
    assert short_edge_size(240, 320, 128) == (128, 170)
    assert short_edge_size(320, 240, 128) == (170, 128)


def test_a_crop_is_cut_from_the_resized_frame():
    frames = GOLDEN["frames"]
    np.testing.assert_array_equal(
        resize(frames, (20, 26), (slice(3, 11), slice(7, 19))), resize(frames, (20, 26))[:, 3:11, 7:19]
    )


def test_training_draws_size_place_and_flip_once_a_clip():
    ramp = np.broadcast_to(np.arange(64, dtype=np.uint8)[:, None] * 2, (2, 48, 64, 3))
    widths, lefts, flips = set(), set(), 0
    for seed in range(100):
        clip = train_transform(ramp, np.random.default_rng(seed), sizes=(40, 44), crop=36, flip=0.5)
        assert clip.shape == (2, 36, 36, 3) and clip.dtype == np.uint8
        np.testing.assert_array_equal(clip[0], clip[1])
        row = clip[0, 0, :, 0].astype(int)
        flipped = row[0] > row[-1]
        flips += flipped
        widths.add(int(abs(row[-1] - row[0])))
        lefts.add(int(min(row[0], row[-1])))
    assert 30 < flips < 70 and len(widths) >= 4 and len(lefts) > 10


def test_flips_can_be_turned_off():
    ramp = np.broadcast_to(np.arange(48, dtype=np.uint8)[:, None], (1, 48, 48, 3))
    for seed in range(20):
        clip = train_transform(ramp, np.random.default_rng(seed), sizes=(40, 44), crop=36, flip=0.0)
        assert clip[0, 0, 0, 0] < clip[0, 0, -1, 0]
