import numpy as np
import pytest

from r3d_jax.inference.recording import LONGEST, recorded
from r3d_jax.inference.watch import Seen
from r3d_jax.video.stream import Stretch, stream

NAMES = ("ride/a bike", "run")


def seen(starts, values, size=16):
    """A clip of four frames, a tenth of a second apart, at each start; the first class's probability is its value."""
    for start, value in zip(starts, values):
        clip = np.full((4, size, size + 2, 3), 40, np.uint8)
        yield Seen(Stretch(0, start + np.arange(4) / 10, clip), np.array([value, 0.1]))


def times(path):
    return [moment.seconds for moment in stream(path.read_bytes(), size=16)]


def test_each_stretch_that_passes_is_one_file_with_every_frame_once(tmp_path):
    told, folder = [], tmp_path / "new" / "folder"
    found = recorded(
        seen([0, 0.2, 0.4, 0.6, 0.8], [0.6, 0.7, 0.2, 0.5, 0.1]), folder, NAMES, 0.5, told=told.append, now=lambda: 0
    )
    assert len(list(found)) == 5
    first, second = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert "ride_a_bike" in first.name and first.suffix == ".mp4" and second.stem == f"{first.stem}-2"
    np.testing.assert_allclose(times(first), np.arange(6) / 10, atol=1e-3)
    np.testing.assert_allclose(times(second), np.arange(4) / 10, atol=1e-3)
    assert told == [f"{first}: 0.5 s", f"{second}: 0.3 s"]


def test_what_is_interrupted_is_written(tmp_path):
    def interrupted():
        yield from seen([0], [0.9])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(recorded(interrupted(), tmp_path, NAMES, 0.5, told=str))
    assert len([*tmp_path.iterdir()]) == 1


def test_other_frames_and_what_lasts_too_long_begin_a_new_file(tmp_path):
    several = [*seen([0], [0.9]), *seen([0.2], [0.9], size=32), *seen([LONGEST, LONGEST + 0.2], [0.9, 0.9], size=32)]
    list(recorded(several, tmp_path, NAMES, 0.5, told=str))
    assert sorted(len(times(path)) for path in tmp_path.iterdir()) == [4, 4, 6]


def test_nothing_is_written_of_what_does_not_pass(tmp_path):
    list(recorded(seen([0, 1], [0.4, 0.3]), tmp_path / "none", NAMES, 0.5, told=str))
    assert not [*tmp_path.iterdir()]
