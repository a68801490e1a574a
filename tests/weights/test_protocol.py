"""The clip settings of published networks."""

import pytest

from r3d_jax.errors import InputError
from r3d_jax.video.clips import ClipSpec, check_clip
from r3d_jax.weights.protocol import clip_of

SQUARES = {"test_size": 256, "crop": 256, "crops": 3, "views": 10, "train_crop": 224}


def test_three_squares():
    found = clip_of(frames=8, stride=8, **SQUARES)
    assert found == ClipSpec(8, 8, 0.0, (256, 320), 224, test_size=256, views=10, crops=3)
    smaller = clip_of(frames=13, stride=6, **SQUARES | {"test_size": 182, "crop": 182})
    assert smaller == ClipSpec(13, 6, 0.0, (224, 280), 224, test_size=182, views=10, crops=3)
    check_clip(found), check_clip(smaller)


def test_the_middle():
    found = clip_of(frames=16, stride=1, frame_rate=15, test_size=128, crop=112, crops=1, views=5, train_crop=112)
    assert found == ClipSpec(16, 1, 15.0, (128, 160), 112, test_size=128, views=5, test_crop=112)
    check_clip(found)


def test_ten_crops():
    found = clip_of(frames=16, stride=1, test_size=128, crop=112, crops=10, views=1, train_crop=112)
    assert found == ClipSpec(16, 1, 0.0, (128, 160), 112, test_size=128, views=1, crops=10)
    check_clip(found)


@pytest.mark.parametrize(
    "changes",
    [{"crop": 224}, {"crops": 1, "crop": 300}, {"crops": 10}],
    ids=["three smaller squares", "one larger than the frame", "ten of another edge than in training"],
)
def test_crops_that_cannot_be_cut_are_refused(changes):
    with pytest.raises(
        InputError, match=r"`crop` .=\d+. cannot be cut as \d+ crops from frames of `test_size` 256: one"
    ):
        clip_of(frames=8, stride=8, **SQUARES | changes)


def test_numbers_out_of_their_range_are_refused():
    with pytest.raises(InputError, match=r"`clip.crops` .=5. must be 1, 3 or 10"):
        clip_of(frames=8, stride=8, **SQUARES | {"crops": 5})
