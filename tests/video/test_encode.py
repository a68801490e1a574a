import numpy as np
import pytest
from videos import decode_all, frames_of

from r3d_jax.errors import InputError
from r3d_jax.video.encode import write_video
from r3d_jax.video.stream import Moment, stream


def moments(times, frames):
    return (Moment(seconds, frame) for seconds, frame in zip(times, frames))


@pytest.mark.parametrize("name, error", [("v.mp4", 9), ("v.gif", 12), ("V.GIF", 12)])
def test_frames_come_back_at_their_times(tmp_path, name, error):
    frames = frames_of(6, 32, 48)
    times = [0, 0.04, 0.08, 0.2, 0.24, 0.36]
    assert write_video(tmp_path / "new" / name, moments(times, frames)) == 6
    data = (tmp_path / "new" / name).read_bytes()
    assert np.abs(decode_all(data).astype(float) - frames).mean() < error
    np.testing.assert_allclose([moment.seconds for moment in stream(data, size=32)], times, atol=0.011)


def test_odd_edges_lose_their_last_row_where_the_codec_needs_even_ones(tmp_path):
    frames = frames_of(2, 33, 49)
    for name, size in (("v.mp4", (32, 48)), ("v.gif", (33, 49))):
        write_video(tmp_path / name, moments([0, 0.04], frames))
        assert decode_all((tmp_path / name).read_bytes()).shape[1:3] == size


@pytest.mark.parametrize(
    "name, message", [("v.avi", r"must be called \*.mp4 or \*.gif"), ("v.mp4", "is there already")]
)
def test_what_cannot_be_written_is_refused(tmp_path, name, message):
    (tmp_path / "v.mp4").write_text("mine")
    with pytest.raises(InputError, match=message):
        write_video(tmp_path / name, moments([0], frames_of(1)))
    assert (tmp_path / "v.mp4").read_text() == "mine"


def test_what_fails_half_way_leaves_nothing(tmp_path):
    def broken():
        yield from moments([0, 1], frames_of(2))
        raise ValueError("breaks off")

    with pytest.raises(ValueError, match="breaks off"):
        write_video(tmp_path / "v.mp4", broken())
    with pytest.raises(InputError, match="no frames"):
        write_video(tmp_path / "v.gif", iter(()))
    assert not list(tmp_path.iterdir())
