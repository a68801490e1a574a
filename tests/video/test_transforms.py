from dataclasses import replace

import numpy as np
import pytest
from seeded import arrays_of

from r3d_jax.video import transforms
from r3d_jax.video.clips import ClipSpec
from r3d_jax.video.transforms import (
    CropWindow,
    as_pixels,
    cutter,
    draw_crop_window,
    draw_resized_window,
    middle_crop,
    resize,
    short_edge_size,
    ten_crops,
    three_crops,
)

GOLDEN = arrays_of("resize")


@pytest.mark.parametrize("size", [13, 16, 20, 36])
def test_resizing_is_the_references(size):
    frames, expected = GOLDEN["frames"], GOLDEN[f"short_edge_{size}"]
    target = short_edge_size(*frames.shape[1:3], size)
    assert target == expected.shape[1:3]
    for frame, golden in zip(frames, expected):
        resized = resize(frame, target)
        np.testing.assert_allclose(resized / 255, golden, atol=2e-6)
        assert np.abs(as_pixels(resized) - 255 * golden).max() <= 0.501


def test_resizing_with_antialiasing_is_noticed(monkeypatch):
    monkeypatch.setattr(transforms.cv2, "INTER_LINEAR", transforms.cv2.INTER_AREA)
    for size in (13, 16, 20, 36):
        with pytest.raises(AssertionError, match="Not equal to tolerance"):
            test_resizing_is_the_references(size)


def test_ucf101_frames_become_128_by_170():
    assert short_edge_size(240, 320, 128) == (128, 170)
    assert short_edge_size(320, 240, 128) == (170, 128)


@pytest.mark.parametrize("even", [False, True])
def test_a_window_lies_in_the_frame_and_reaches_all_of_it(even):
    """Of 240x320 frames at 128x170, 112x112 are 210x211 pixels, which fit from the first row and column to the last."""
    rows, columns = zip(
        *(
            CropWindow(128, 112, share, share, False).box((240, 320), (128, 170), even=even)
            for share in np.linspace(0, 1, 99)
        )
    )
    for spans, edge, length in ((rows, 240, 210), (columns, 320, 210 if even else 211)):
        assert {span.stop - span.start for span in spans} == {length}
        starts = [span.start for span in spans]
        assert starts == sorted(starts) and starts[0] == 0 and starts[-1] == edge - length
        assert all(start % 2 == 0 for start in starts) or not even


def test_a_window_of_a_frame_of_its_own_size_is_all_of_it():
    for stored in ((112, 112), (113, 115), (1, 1)):
        rows, columns = CropWindow(112, 112, 0.99, 0.99, False).box(stored, (112, 112))
        assert (rows, columns) == (slice(0, stored[0]), slice(0, stored[1]))


def test_size_place_and_flip_are_drawn():
    windows = [draw_crop_window(np.random.default_rng(k), sizes=(40, 44), crop=36, flip=0.3) for k in range(300)]
    assert {window.short_edge for window in windows} == set(range(40, 45)) and {window.crop for window in windows} == {
        36
    }
    assert 60 < sum(window.flip for window in windows) < 120
    for name in ("top", "left"):
        assert np.histogram([getattr(window, name) for window in windows], 4, (0, 1))[0].min() > 50
    assert not any(
        draw_crop_window(np.random.default_rng(k), sizes=(40, 44), crop=36, flip=0.0).flip for k in range(20)
    )


def torchvisions(rng, height, width, area, aspect):
    """RandomResizedCrop.get_params, line by line, with the draws of a generator: (top, left, height, width)."""
    log_ratio = np.log(aspect)
    for _ in range(10):
        target_area = height * width * rng.uniform(area[0], area[1])
        aspect_ratio = np.exp(rng.uniform(log_ratio[0], log_ratio[1]))
        w = round(np.sqrt(target_area * aspect_ratio))
        h = round(np.sqrt(target_area / aspect_ratio))
        if 0 < w <= width and 0 < h <= height:
            down, right = rng.random(2)
            return int(down * (height - h + 1)), int(right * (width - w + 1)), h, w
    in_ratio = width / height
    if in_ratio < min(aspect):
        w = width
        h = round(w / min(aspect))
    elif in_ratio > max(aspect):
        h = height
        w = round(h * max(aspect))
    else:
        w, h = width, height
    return (height - h) // 2, (width - w) // 2, h, w


@pytest.mark.parametrize(
    "height, width, area, aspect",
    [
        (240, 320, (0.08, 1.0), (3 / 4, 4 / 3)),
        (240, 320, (0.9, 1.0), (3 / 4, 4 / 3)),  # most tries do not fit
        (101, 400, (1.0, 1.0), (1.0, 1.0)),  # none does, and the frame is wider than allowed
        (400, 101, (1.0, 1.0), (0.5, 2.0)),  # higher than allowed
        (300, 301, (1.0, 1.0), (1.0, 1.01)),
    ],
)
def test_a_random_resized_crop_is_torchvisions(height, width, area, aspect):
    for seed in range(40):
        options = {"size": (height, width), "area": area, "aspect": aspect, "crop": 112, "flip": 0.5}
        window = draw_resized_window(np.random.default_rng(seed), **options)
        rows, columns = window.box((height, width), (height, width))
        found = rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start
        assert found == torchvisions(np.random.default_rng(seed), height, width, area, aspect)
        assert short_edge_size(height, width, window.short_edge) == (height, width)


def test_resized_crops_reach_every_corner_and_are_flipped():
    options = {"size": (60, 80), "area": (0.1, 0.5), "aspect": (0.5, 2.0), "crop": 16, "flip": 0.25}
    windows = [draw_resized_window(np.random.default_rng(seed), **options) for seed in range(300)]
    boxes = [window.box((60, 80), (60, 80)) for window in windows]
    assert min(rows.start for rows, _ in boxes) == min(columns.start for _, columns in boxes) == 0
    assert max(rows.stop for rows, _ in boxes) == 60 and max(columns.stop for _, columns in boxes) == 80
    cut = np.array([window.cut for window in windows])
    area, aspect = cut.prod(1) / 4800, cut[:, 1] / cut[:, 0]
    assert 0.09 < area.min() < 0.12 and 0.45 < area.max() < 0.51 and aspect.min() < 0.6 and aspect.max() > 1.7
    assert 45 < sum(window.flip for window in windows) < 105


def test_three_crops_go_along_the_long_edge():
    frames = np.arange(2 * 4 * 7 * 3, dtype=np.uint8).reshape(2, 4, 7, 3)
    crops = three_crops(frames)
    assert crops.shape == (3, 2, 4, 4, 3)
    for crop, left in zip(crops, (0, 1, 3)):
        np.testing.assert_array_equal(crop, frames[:, :, left : left + 4])
    np.testing.assert_array_equal(three_crops(frames.swapaxes(1, 2)), crops.swapaxes(2, 3))


def test_ten_crops_are_corners_middle_and_mirror_images():
    frames = np.arange(2 * 4 * 7 * 3, dtype=np.uint8).reshape(2, 4, 7, 3)
    crops = ten_crops(frames, edge=2)
    assert crops.shape == (10, 2, 2, 2, 3)
    for crop, (top, left) in zip(crops, ((0, 0), (0, 5), (2, 0), (2, 5), (1, 2))):
        np.testing.assert_array_equal(crop, frames[:, top : top + 2, left : left + 2])
    np.testing.assert_array_equal(crops[5:], crops[:5, :, :, ::-1])


def test_the_middle_is_a_square_of_its_own_edge():
    frames = np.arange(2 * 4 * 7 * 3, dtype=np.uint8).reshape(2, 4, 7, 3)
    np.testing.assert_array_equal(middle_crop(frames, edge=3), frames[None, :, 0:3, 2:5])
    np.testing.assert_array_equal(middle_crop(frames, edge=2), frames[None, :, 1:3, 2:4])


def test_frames_are_cut_only_where_a_clip_says_so():
    frames = np.arange(2 * 4 * 7 * 3, dtype=np.uint8).reshape(2, 4, 7, 3)
    clip = ClipSpec(crop=2, test_size=4)
    assert cutter(clip) is None
    for changes, expected in (
        ({"test_crop": 3}, middle_crop(frames, edge=3)),
        ({"crops": 3}, three_crops(frames)),
        ({"crops": 10}, ten_crops(frames, edge=2)),
    ):
        np.testing.assert_array_equal(cutter(replace(clip, **changes))(frames), expected)
