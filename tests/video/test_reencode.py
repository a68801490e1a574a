import re
from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np
import pytest
from videos import decode_all, encode, frames_of

from r3d_jax.video import reencode as module
from r3d_jax.video.pixels import read_frames, read_whole
from r3d_jax.video.probe import probe
from r3d_jax.video.reencode import describe, effect, reencode

LONG = encode(frames_of(60, 64, 96), codec="libx264", container="mp4", key_every=60, b_frames=2)


def smaller(data, short_edge, key_every=8):
    return reencode(data, *probe(data), short_edge=short_edge, key_every=key_every)


def test_a_re_encoded_video_shows_the_same_at_the_chosen_size():
    data, info, packet_index = smaller(LONG, 32)
    assert (info.num_frames, info.height, info.width, info.frame_rate) == (60, 32, 48, 25.0)
    before, place = probe(LONG)
    wanted = np.arange(60)
    difference = read_frames(data, packet_index, wanted).astype(int) - read_whole(LONG, place, before, wanted, size=32)
    assert 0 < np.abs(difference).mean() < 4
    np.testing.assert_array_equal(np.flatnonzero(packet_index.packets[:, 2]), np.arange(0, 60, 8))
    assert probe(LONG)[1].packets[:, 2].sum() == 1


def test_it_is_upright_square_and_on_time():
    turned = encode(
        frames_of(6, 32, 48), codec="libx264", container="mp4", turn=(90, False), aspect=2, ticks=[0, 1, 2, 10, 11, 12]
    )
    data, info, packet_index = smaller(turned, 24)
    assert (info.height, info.width) == (72, 24) and packet_index.turn == 0
    np.testing.assert_allclose(packet_index.seconds, np.array([0, 1, 2, 10, 11, 12]) / 25, atol=1e-3)
    assert decode_all(data).shape == (6, 72, 24, 3)


def test_a_small_video_is_not_made_larger_and_an_odd_edge_loses_a_line():
    assert smaller(LONG, 240)[1][3:] == (64, 96)
    assert smaller(LONG, 33)[1][3:] == (32, 48)


def test_the_effect_is_measured():
    before = (LONG, *probe(LONG))
    found = effect(before, smaller(LONG, 32), short_edge=32)
    assert found.bytes_before == len(LONG) and found.after > 0
    assert found.before > found.after  # a whole group of 60 frames is decoded for most clips
    assert effect(before, before, short_edge=64).error == 0
    line = describe([found, found])
    assert re.fullmatch(
        r"re-encoded \(2 videos measured\): a clip of 8 frames decodes in [\d.]+ ms instead of [\d.]+ "
        r"\([\d.]+ times as fast\), \d+% of the bytes, pixels at that size within [\d.]+ dB of the original's",
        line,
    )


def test_what_does_not_decode_is_refused():
    info, packet_index = probe(LONG)
    with pytest.raises(ValueError, match=r"ends before frame|does not decode|not a video"):
        reencode(LONG[: len(LONG) // 2], info, packet_index, short_edge=32, key_every=8)


def test_what_cannot_be_encoded_is_refused(monkeypatch):
    def failing(*_, **__):
        raise av.error.ExternalError(1, "Generic error in an external library")

    monkeypatch.setattr(module, "add_stream", failing)
    with pytest.raises(ValueError, match="cannot be re-encoded: Generic error in an external library"):
        smaller(LONG, 32)


def test_a_lost_frame_is_noticed(monkeypatch):
    monkeypatch.setattr(module, "_encode", lambda *_: encode(frames_of(59, 32, 48), codec="libx264", container="mp4"))
    with pytest.raises(ValueError, match="59 of its 60 frames are left once it is re-encoded"):
        smaller(LONG, 32)


@pytest.mark.slow
def test_the_same_video_gives_the_same_bytes():
    data = encode(frames_of(40, 64, 80), options={"qscale": "2", "flags": "+qscale"})
    with ThreadPoolExecutor(3) as pool:
        made = set(pool.map(lambda _: reencode(data, *probe(data), short_edge=64, key_every=12)[0], range(12)))
    assert len(made) == 1 and b"mbtree=0" in made.pop()  # of which x264 makes other bytes in a few of a hundred calls
