import numpy as np
import pytest
from videos import audio_only, decode_all, encode, frames_of

from r3d_jax.data import decode
from r3d_jax.data.decode import probe, read_frames

FILES = {
    "avi": encode(frames_of(40)),
    "avi with B-frames": encode(frames_of(40), b_frames=2),
    "mp4 with B-frames": encode(frames_of(40), codec="libx264", container="mp4", b_frames=2),
    "one frame": encode(frames_of(1)),
}


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_frames_are_those_of_a_full_decode(data, rng):
    everything = decode_all(data)
    info = probe(data)
    assert (info.num_frames, info.height, info.width, info.frame_rate) == (len(everything), 32, 48, 25.0)
    for count in (1, 5):
        indices = rng.integers(0, len(everything), (2, count))
        frames = read_frames(data, indices, frame_per_packet=info.frame_per_packet)
        np.testing.assert_array_equal(frames, everything[indices])


def test_only_files_whose_packets_are_frames_are_entered_in_the_middle():
    assert probe(FILES["avi"]).frame_per_packet
    assert not probe(FILES["avi with B-frames"]).frame_per_packet
    assert not probe(FILES["mp4 with B-frames"]).frame_per_packet


@pytest.mark.parametrize("per_packet, wanted, decoded", [(True, [30, 31], 8), (True, [2, 30], 3 + 7), (False, [5], 6)])
def test_no_more_is_decoded_than_needed(monkeypatch, per_packet, wanted, decoded):
    packets = []
    find = {True: "_from_key_frames", False: "_from_start"}[per_packet]
    original = getattr(decode, find)

    class Counted:
        def __init__(self, packet):
            self.packet, self.size, self.is_keyframe = packet, packet.size, packet.is_keyframe

        def decode(self):
            packets.append(self.packet)
            return self.packet.decode()

    monkeypatch.setattr(decode, find, lambda stream, indices: original(map(Counted, stream), indices))
    read_frames(FILES["avi"], np.array(wanted), frame_per_packet=per_packet)
    assert len(packets) == decoded


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "not a video"),
        (b"<html>not found</html>", "not a video"),
        (audio_only(), "no video stream"),
        (FILES["mp4 with B-frames"][:300], "not a video|no frame"),
        (FILES["avi"][:2100], "no frame|not a video|no video"),
    ],
)
def test_what_is_no_video_is_refused_with_the_reason(data, message):
    with pytest.raises(ValueError, match=message):
        probe(data)


@pytest.mark.parametrize("name", ["avi", "avi with B-frames"])
def test_a_file_that_was_cut_short_since_is_noticed(name):
    data = FILES[name]
    info = probe(data)
    with pytest.raises(ValueError, match=r"ends before frame 39|does not decode|not a video"):
        read_frames(data[: len(data) // 2], np.array([1, 39]), frame_per_packet=info.frame_per_packet)


def test_real_videos_are_read_as_a_full_decode_reads_them(ucf101_mini, rng):
    for path in sorted(ucf101_mini.glob("UCF-101/*/*_g01_c01.avi")):
        data = path.read_bytes()
        everything, info = decode_all(data), probe(data)
        assert info.num_frames == len(everything)
        start = rng.integers(len(everything) - 8)
        indices = np.stack([np.arange(start, start + 8), np.arange(len(everything) - 8, len(everything))])
        frames = read_frames(data, indices, frame_per_packet=info.frame_per_packet)
        np.testing.assert_array_equal(frames, everything[indices], path.name)
