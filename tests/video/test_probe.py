from fractions import Fraction

import numpy as np
import pytest
from videos import audio_only, decode_all, encode, frames_of, remuxed

from r3d_jax.video import decode
from r3d_jax.video.pixels import read_frames
from r3d_jax.video.probe import probe

AVI = encode(frames_of(40))
MP4 = encode(frames_of(40), codec="libx264", container="mp4", b_frames=2)


def test_a_second_video_stream_and_what_is_no_video_are_passed_over():
    data = remuxed(MP4, encode(frames_of(7)), "matroska")
    info, packet_index = probe(data)
    assert info.num_frames == 40
    np.testing.assert_array_equal(read_frames(data, packet_index, np.arange(40)), decode_all(data))


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_turned_or_mirrored_video_is_read_upright(degrees, mirrored):
    plain = encode(frames_of(3), codec="libx264", container="mp4")
    turned = encode(frames_of(3), codec="libx264", container="mp4", turn=(degrees, mirrored))
    info, packet_index = probe(turned)
    expected = decode_all(plain)
    expected = np.rot90(expected, degrees // 90, axes=(1, 2))
    expected = expected[:, :, ::-1] if mirrored else expected
    assert (info.height, info.width) == expected.shape[1:3]
    np.testing.assert_array_equal(read_frames(turned, packet_index, np.arange(3)), expected)


def test_pixels_that_are_not_square_are_in_the_width():
    info, _ = probe(encode(frames_of(3), codec="libx264", container="mp4", aspect=Fraction(4, 3)))
    assert (info.height, info.width) == (32, 64)


def test_a_variable_frame_rate_is_in_the_time_stamps():
    ticks = [0, 1, 2, 10, 11, 30]
    _, packet_index = probe(encode(frames_of(6), codec="libx264", container="mp4", ticks=ticks))
    np.testing.assert_allclose(packet_index.seconds, np.array(ticks) / 25, atol=1e-3)


def test_time_stamps_beyond_reason_are_not_believed():
    _, packet_index = probe(encode(frames_of(3), codec="libx264", container="mp4", ticks=[0, 1, 25 * 3600 * 30]))
    np.testing.assert_allclose(np.diff(packet_index.seconds), packet_index.seconds[1])


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "not a video"),
        (b"<html>not found</html>", "not a video"),
        (audio_only(), "no video stream"),
        (MP4[:300], "not a video|no frame"),
        (AVI[:2100], "no frame|not a video|no video"),
    ],
)
def test_what_is_no_video_is_refused_with_the_reason(data, message):
    with pytest.raises(ValueError, match=message):
        probe(data)


def test_a_frame_of_absurd_size_is_refused(monkeypatch):
    monkeypatch.setattr(decode, "MAX_PIXELS", 32 * 40)
    with pytest.raises(ValueError, match=r"breaks off after 0 frames|no frame|not a video"):
        probe(AVI)


@pytest.mark.slow
def test_odd_videos_are_read_or_refused(odd):
    """What each holds: frames as FFmpeg's program counts them, upright, with square pixels; or why there are none."""
    expected = {
        "decord__video_90.mov": (3, 568, 320),
        "decord__video_270.mov": (3, 568, 320),
        "decord__unordered.mov": (4, 50, 50),
        "moviepy__no_duration.webm": (74, 720, 1280),
        "streamio__weird_aspect.small.mpg": (36, 288, 501),
        "torchcodec__h264_10bits.mp4": (30, 200, 200),
        "torchcodec__var_fps_video.mp4": (300, 128, 128),
        "php__Test.ogv": (41, 300, 400),
        "php__sample.3gp": (74, 144, 176),
        "derived__truncated_half_v_YoYo_g01_c01.avi": (85, 240, 320),
        "decord__corrupted.mp4": "breaks off after 28 frames",
        "derived__truncated_half_Jump_8_1.mp4": "breaks off after 21 frames",
        "derived__zero_bytes.avi": "not a video",
        "streamio__hello.wav": "no video stream",
        "moviepy__with-attached-pic.mp3": "no video stream",
    }
    for name, what in expected.items():
        data = (odd / name).read_bytes()
        if isinstance(what, str):
            with pytest.raises(ValueError, match=what):
                probe(data)
            continue
        info, packet_index = probe(data)
        assert (info.num_frames, info.height, info.width) == what, name
        some = np.unique(np.linspace(0, info.num_frames - 1, 3).astype(int))
        frames = read_frames(data, packet_index, some)
        plain = decode_all(data)[some]
        np.testing.assert_array_equal(frames, np.rot90(plain, packet_index.turn, axes=(1, 2)), name)


def test_a_codec_without_a_decoder_is_refused():
    data = encode(frames_of(4), codec="libx264", container="matroska").replace(b"V_MPEG4/ISO/AVC", b"V_NOSUCH/ISO/AV")
    with pytest.raises(ValueError, match=r"no decoder for its video stream|no video stream|not a video"):
        probe(data)
