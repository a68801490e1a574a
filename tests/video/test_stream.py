import io
import itertools

import av
import numpy as np
import pytest
from videos import audio_only, encode, frames_of

from r3d_jax.video.clips import shown_at_rate
from r3d_jax.video.pixels import read_whole
from r3d_jax.video.probe import probe
from r3d_jax.video.stream import Moment, stream, stretches


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"container": "mp4", "codec": "libx264", "b_frames": 2},
        {"container": "mp4", "codec": "libx264", "turn": (90, False)},
        {"container": "mp4", "codec": "libx264", "turn": (0, True)},
        {"aspect": 2},
    ],
)
def test_frames_and_times_are_those_of_the_prepared_video(how):
    data = encode(frames_of(13), **how)
    info, packet_index = probe(data)
    found = list(stream(io.BytesIO(data), size=20))
    expected = read_whole(data, packet_index, info, np.arange(info.num_frames), size=20)
    assert (np.stack([moment.frame for moment in found]) == expected).all()
    np.testing.assert_allclose([moment.seconds for moment in found], packet_index.seconds, atol=1e-6)


@pytest.mark.parametrize("rate", [5, 12.5, 25, 40])
def test_a_frame_rate_shows_what_is_on_the_screen_at_each_tick(rate):
    data = encode(frames_of(7), codec="libx264", container="mp4", ticks=[0, 1, 4, 5, 6, 10, 11])
    _, packet_index = probe(data)
    found = list(stream(data, size=32, frame_rate=rate))
    every = [moment.frame for moment in stream(data, size=32)]
    expected = shown_at_rate(packet_index.seconds, rate)
    assert len(found) == len(expected)
    assert all((moment.frame == every[index]).all() for moment, index in zip(found, expected))
    np.testing.assert_allclose([moment.seconds for moment in found], np.arange(len(found)) / rate)


@pytest.mark.slow
def test_real_videos_stream_as_they_are_prepared(odd):
    count = 0
    for path in sorted(odd.iterdir()):
        if path.stat().st_size > 600_000:  # half of the time for a tenth of the files
            continue
        data = path.read_bytes()
        try:
            info, packet_index = probe(data)
            expected = read_whole(data, packet_index, info, np.arange(min(4, info.num_frames)), size=32)
        except ValueError:
            continue
        with path.open("rb") as file:
            found = [moment.frame for moment in itertools.islice(stream(file, size=32), 4)]
        assert (np.stack(found) == expected).all(), path.name
        count += 1
    assert count > 30


@pytest.mark.parametrize("data, reason", [(b"no video", "not a video"), (audio_only(), "no video stream in it")])
def test_what_is_no_video_says_why(data, reason):
    with pytest.raises(ValueError, match=reason):
        next(stream(data, size=32))


def test_a_list_of_files_does_not_open_them(tmp_path, monkeypatch):
    (tmp_path / "other.ts").write_bytes(encode(frames_of(5), codec="libx264", container="mpegts"))
    monkeypatch.chdir(tmp_path)
    listing = b"ffconcat version 1.0\nfile other.ts\n"
    with av.open(io.BytesIO(listing)) as container:  # as FFmpeg reads it, if it may
        assert len(list(container.decode(video=0))) == 5
    with pytest.raises(ValueError, match="not a video: "):
        next(stream(listing, size=32))
    assert next(stream((tmp_path / "other.ts").read_bytes(), size=32)).seconds == 0


def moments(count):
    return (Moment(i / 10, np.full((2, 2, 3), i % 256, np.uint8)) for i in range(count))


def shown(count, **how):
    return [each.clip[:, 0, 0, 0].tolist() for each in stretches(moments(count), **how)]


def test_clips_start_at_every_hop_and_the_last_ends_with_the_video():
    assert shown(10, frames=3, stride=1, hop=2) == [[0, 1, 2], [2, 3, 4], [4, 5, 6], [6, 7, 8], [7, 8, 9]]
    assert shown(10, frames=3, stride=2, hop=5) == [[0, 2, 4], [5, 7, 9]]
    assert shown(11, frames=2, stride=1, hop=4) == [[0, 1], [4, 5], [8, 9], [9, 10]]
    times = [(each.start, each.end) for each in stretches(moments(10), frames=3, stride=2, hop=5)]
    np.testing.assert_allclose(times, [(0, 0.4), (0.5, 0.9)])


def test_a_short_video_loops():
    assert shown(3, frames=4, stride=2, hop=1) == [[0, 2, 1, 0]]
    assert shown(0, frames=4, stride=2, hop=1) == []


def test_a_video_without_end_is_read_no_further_than_asked():
    endless = (Moment(i, np.zeros((1, 1, 3), np.uint8)) for i in itertools.count())
    for _ in itertools.islice(stretches(endless, frames=4, stride=2, hop=3), 50):
        pass
    assert next(endless).seconds < 50 * 3 + 8
