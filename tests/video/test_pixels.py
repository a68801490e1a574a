from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from videos import decode_all, encode, frames_of

from r3d_jax.video import pixels
from r3d_jax.video.pixels import read_frames, read_whole, read_window
from r3d_jax.video.probe import probe
from r3d_jax.video.transforms import CropWindow, as_pixels, resize


def smooth(count, height=48, width=64):
    """Frames without the fine detail that colour at half resolution loses; every place has a colour of its own."""
    rows, columns = np.mgrid[:height, :width]
    frames = [np.stack([40 + 3 * rows, 30 + 3 * columns, np.full_like(rows, 60 + 5 * i)], -1) for i in range(count)]
    return np.stack(frames).clip(0, 255).astype(np.uint8)


def window_of(data, window, indices=(0, 1, 2, 3)):
    info, packet_index = probe(data)
    return read_window(data, packet_index, info, np.array(indices), window).astype(int)


MP4 = {"codec": "libx264", "container": "mp4", "options": {"crf": "1"}}


def test_whole_frames_are_resized_as_the_reference_does():
    data = encode(frames_of(5))
    info, packet_index = probe(data)
    frames = read_whole(data, packet_index, info, np.array([[0, 4], [4, 2]]), size=24)
    assert frames.shape == (2, 2, 24, 36, 3)
    for place, index in (((0, 0), 0), ((0, 1), 4), ((1, 0), 4), ((1, 1), 2)):
        np.testing.assert_array_equal(frames[place], as_pixels(resize(decode_all(data)[index], (24, 36))))
    np.testing.assert_array_equal(read_whole(data, packet_index, info, np.arange(5), size=32), decode_all(data))


@pytest.mark.parametrize("kind", [{}, {"pixels": "yuv444p"}, {"pixels": "yuv420p10le"}])
@pytest.mark.parametrize("flip", [False, True])
def test_a_window_is_the_cut_resized(kind, flip):
    """By planes where colour has half of the resolution, by RGB otherwise: the same picture."""
    data = encode(smooth(4), **MP4, **kind)
    window = CropWindow(32, 24, 0.4, 0.7, flip)
    rows, columns = window.box((48, 64), (32, 42), even="pixels" not in kind)
    expected = np.stack([cv2.resize(frame[rows, columns], (24, 24)) for frame in decode_all(data)]).astype(int)
    found = window_of(data, window)
    assert found.shape == (4, 24, 24, 3)
    difference = np.abs(found - (expected[:, :, ::-1] if flip else expected))
    assert difference.mean() < 2 and difference.max() < 8
    assert np.abs(found - (expected if flip else expected[:, :, ::-1])).mean() > 10


def test_an_odd_window_is_cut_too():
    data = encode(smooth(4), **MP4)
    odd, even = (window_of(data, CropWindow(32, crop, 0.0, 0.0, False)) for crop in (23, 24))
    assert odd.shape == (4, 23, 23, 3)
    assert np.abs(odd - even[:, :23, :23]).mean() < 3


@pytest.mark.parametrize("degrees", [90, 180, -90])
@pytest.mark.parametrize("flip", [False, True])
def test_a_window_of_a_turned_video_is_upright_and_flipped_left_to_right(degrees, flip):
    data = encode(smooth(4), turn=(degrees, False), **MP4)
    _, packet_index = probe(data)
    whole = read_frames(data, packet_index, np.arange(4)).astype(int)
    whole = whole[:, :, ::-1] if flip else whole
    found = window_of(data, CropWindow(48, 48, 0.5, 0.5, flip))
    edge = min(whole.shape[1:3])
    offsets = [(size - edge) // 2 for size in whole.shape[1:3]]
    expected = whole[:, offsets[0] : offsets[0] + edge, offsets[1] : offsets[1] + edge]
    assert np.abs(found - expected).mean() < 3


def test_pixels_that_are_not_square_are_made_so():
    data = encode(smooth(4), aspect=Fraction(3, 2), **MP4)
    info, packet_index = probe(data)
    assert (info.height, info.width) == (48, 96)
    assert read_whole(data, packet_index, info, np.arange(2), size=24).shape == (2, 24, 48, 3)
    half = window_of(data, CropWindow(48, 48, 0.0, 0.0, False))
    # 48 columns of 96 that are shown are 32 of the 64 that are stored.
    expected = np.stack([cv2.resize(frame[:48, :32], (48, 48)) for frame in decode_all(data)]).astype(int)
    assert np.abs(half - expected).mean() < 2


def test_full_range_is_full_range():
    frames = np.full((2, 32, 32, 3), 250, np.uint8)
    data = encode(frames, codec="mjpeg", pixels="yuvj420p", options={"qmin": "1", "qmax": "1"})
    assert np.abs(window_of(data, CropWindow(32, 32, 0.0, 0.0, False), np.arange(2)) - 250).max() <= 2
    _, packet_index = probe(data)
    assert np.abs(read_frames(data, packet_index, np.arange(2)).astype(int) - 250).max() <= 2


def test_a_clip_that_loops_decodes_no_frame_twice(monkeypatch):
    data = encode(frames_of(3))
    asked = []
    original = pixels.decode
    monkeypatch.setattr(
        pixels,
        "decode",
        lambda d, packet_index, wanted: asked.append(wanted.tolist()) or original(d, packet_index, wanted),
    )
    clip = window_of(data, CropWindow(32, 24, 0.0, 0.0, False), np.array([2, 0, 1, 2, 0, 1]))
    assert asked == [[0, 1, 2]]
    np.testing.assert_array_equal(clip[:3], clip[3:])
    assert not np.array_equal(clip[0], clip[1])


def test_frames_of_another_size_come_out_at_the_first_ones_size():
    """As FFmpeg's programs do; a broadcast may change its size."""
    data = encode(frames_of(3, 32, 48), container="mpegts", codec="mpeg2video")
    data += encode(frames_of(3, 64, 96), container="mpegts", codec="mpeg2video")
    info, packet_index = probe(data)
    count = info.num_frames
    assert count >= 5 and (info.height, info.width) == (32, 48)
    assert read_frames(data, packet_index, np.arange(count)).shape == (count, 32, 48, 3)
    assert window_of(data, CropWindow(32, 24, 0.5, 0.5, False), np.arange(count)).shape == (count, 24, 24, 3)


def test_frames_that_ffmpeg_cannot_convert_are_refused(monkeypatch):
    class Refusing:
        def reformat(self, *_, **__):
            raise av.error.ArgumentError(22, "Invalid argument")

    data = encode(frames_of(3))
    info, packet_index = probe(data)
    monkeypatch.setattr(pixels, "VideoReformatter", Refusing)
    with pytest.raises(ValueError, match="frames of format yuv420p cannot be converted: Invalid argument"):
        read_frames(data, packet_index, np.arange(2))
    with pytest.raises(ValueError, match="frames of format yuv420p cannot be converted: Invalid argument"):
        read_window(data, packet_index, info, np.arange(2), CropWindow(32, 24, 0.0, 0.0, False))
