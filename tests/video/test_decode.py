from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from videos import decode_all, encode, frames_of

from r3d_jax.video import decode as module
from r3d_jax.video.decode import decode
from r3d_jax.video.pixels import read_frames
from r3d_jax.video.probe import probe

FILES = {
    "avi": encode(frames_of(40)),
    "avi with B-frames": encode(frames_of(40), b_frames=2),
    "mp4 with B-frames": encode(frames_of(40), codec="libx264", container="mp4", b_frames=2),
    "mp4, open groups": encode(frames_of(40), codec="libx264", container="mp4", b_frames=3, options={"flags": "-cgop"}),
    "mkv": encode(frames_of(40), codec="libx264", container="matroska", b_frames=2),
    "webm": encode(frames_of(40), codec="libvpx-vp9", container="webm"),
    "mpegts": encode(frames_of(40), codec="mpeg2video", container="mpegts", b_frames=2),
    "10 bits": encode(frames_of(40), codec="libx264", container="mp4", b_frames=2, pixels="yuv420p10le"),
    "gif": encode(frames_of(40), codec="gif", container="gif", pixels="rgb8"),
    "one frame": encode(frames_of(1)),
}
FROM_START = ("mpegts",)  # whose packets are in pieces in the file


@pytest.mark.parametrize("name", FILES)
def test_frames_are_those_of_a_full_decode(name, rng):
    data = FILES[name]
    everything = decode_all(data)
    info, packet_index = probe(data)
    assert (info.num_frames, info.height, info.width) == (len(everything), 32, 48)
    assert info.frame_rate == pytest.approx(25, rel=0.03)
    assert (len(packet_index.packets) == 0) == (name in FROM_START)
    np.testing.assert_allclose(packet_index.seconds, np.arange(len(everything)) / 25, atol=0.02 * len(everything))
    for count in (1, 5):
        indices = rng.integers(0, len(everything), (2, count))
        np.testing.assert_array_equal(read_frames(data, packet_index, indices), everything[indices])


@pytest.mark.parametrize("name", ["mp4 with B-frames", "mp4, open groups", "mkv", "avi with B-frames"])
def test_every_frame_can_be_had_alone(name):
    data = FILES[name]
    everything, (_, packet_index) = decode_all(data), probe(data)
    assert packet_index.packets[:, 2].sum() > 2
    for i, expected in enumerate(everything):
        np.testing.assert_array_equal(read_frames(data, packet_index, np.array([i]))[0], expected)


@pytest.mark.parametrize(
    "name, wanted, sent",
    [
        ("avi", [30, 31], 8),  # key frames: 0, 12, 24, 36
        ("avi", [2, 30], 3 + 7),
        ("avi", [0], 1),
        ("mpegts", [5], None),  # in one piece only to the container
    ],
)
def test_no_more_is_decoded_than_needed(monkeypatch, name, wanted, sent):
    _, packet_index = probe(FILES[name])
    packets, original = [], module._packet

    def counted(*arguments):
        packets.append(arguments)
        return original(*arguments)

    monkeypatch.setattr(module, "_packet", counted)
    assert len(list(decode(FILES[name], packet_index, np.array(wanted)))) == len(wanted)
    assert len(packets) == (sent or 0)


def test_frames_that_do_not_come_from_where_they_should_are_read_from_the_start():
    data = FILES["mp4 with B-frames"]
    everything, (_, packet_index) = decode_all(data), probe(data)
    anywhere = packet_index.packets.copy()
    anywhere[:, 2] = 1  # a key packet, it says, but there are pictures missing that it is made from
    indices = np.array([3, 20, 39])
    frames = read_frames(data, packet_index._replace(packets=anywhere), indices)
    np.testing.assert_array_equal(frames, everything[indices])


def test_frames_do_not_depend_on_what_a_thread_has_read_before():
    packet_indices = {name: probe(data)[1] for name, data in FILES.items()}
    wanted = np.array([13, 14])
    alone = {name: read_frames(FILES[name], packet_indices[name], wanted) for name in FILES if name != "one frame"}
    for name in list(alone) * 2:
        np.testing.assert_array_equal(read_frames(FILES[name], packet_indices[name], wanted), alone[name])


def test_videos_may_be_read_in_turn_or_not_to_the_end():
    data = FILES["mp4 with B-frames"]
    everything, (_, packet_index) = decode_all(data), probe(data)
    wanted = np.arange(3, 25)
    for first, second in zip(decode(data, packet_index, wanted), decode(data, packet_index, wanted)):
        assert first.pts == second.pts
    next(decode(data, packet_index, wanted))
    np.testing.assert_array_equal(read_frames(data, packet_index, wanted), everything[wanted])


@pytest.mark.parametrize("name", ["avi", "mkv", "mpegts"])
def test_a_file_that_was_cut_short_since_is_noticed(name):
    data = FILES[name]
    _, packet_index = probe(data)
    with pytest.raises(ValueError, match=r"ends before frame 39|does not decode|not a video"):
        read_frames(data[: len(data) // 2], packet_index, np.array([1, 39]))


def test_threads_do_not_disturb_each_other():
    data = FILES["mkv"]
    _, packet_index = probe(data)
    wanted = [np.arange(i % 30, i % 30 + 8) for i in range(60)]
    alone = [read_frames(data, packet_index, each) for each in wanted]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda each: read_frames(data, packet_index, each), wanted))
    np.testing.assert_array_equal(alone, together)


@pytest.mark.slow
def test_real_videos_are_read_as_a_full_decode_reads_them(ucf101_mini, rng):
    for path in sorted(ucf101_mini.glob("UCF-101/*/*_g01_c01.avi")):
        data = path.read_bytes()
        everything, (info, packet_index) = decode_all(data), probe(data)
        assert info.num_frames == len(everything) and len(packet_index.packets)
        start = rng.integers(len(everything) - 8)
        indices = np.stack([np.arange(start, start + 8), np.arange(len(everything) - 8, len(everything))])
        np.testing.assert_array_equal(read_frames(data, packet_index, indices), everything[indices], path.name)


def test_damaged_copies_are_read_alike_or_refused():
    """Bytes changed or cut out at random; what decodes with errors is read from its start, so that it never varies."""
    refused = 0
    for name in ("avi", "mp4 with B-frames", "webm", "mpegts"):
        for seed in range(15):
            rng = np.random.default_rng(seed)
            data = bytearray(FILES[name])
            for at in rng.integers(len(data), size=int(rng.integers(1, 20))):
                data[at] = int(rng.integers(256))
            if seed % 3 == 0:
                del data[int(rng.integers(len(data))) :]
            data = bytes(data)
            try:
                info, packet_index = probe(data)
                first, _, again = (
                    read_frames(*each, np.array([info.num_frames // 2]))
                    for each in ((data, packet_index), (FILES["avi"], probe(FILES["avi"])[1]), (data, packet_index))
                )
            except ValueError:
                refused += 1
                continue
            np.testing.assert_array_equal(first, again)
    assert 5 < refused < 55
