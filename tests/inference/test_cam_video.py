import numpy as np
import pytest
from videos import audio_only, decode_all

from r3d_jax.errors import InputError
from r3d_jax.inference.cam_video import cam_video
from r3d_jax.inference.overlay import overlay


@pytest.mark.parametrize("stride, name, count", [(1, "v0.avi", 9), (2, "v3.avi", 15), (1, "v4.avi", 3)])
def test_every_frame_is_shown_once_and_painted(network, folder, tmp_path, stride, name, count):
    lines = cam_video(network._replace(stride=stride), folder / name, tmp_path / "out.gif", size=32)
    frames = decode_all((tmp_path / "out.gif").read_bytes()).astype(float)
    plain = decode_all((folder / name).read_bytes())
    assert frames.shape == plain.shape and len(frames) == count
    assert np.abs(frames - plain).max() > 50
    # Frames differ by a square that moves: painted or not, the right one is the nearest.
    nearest = np.abs(frames[:, None] - plain[None]).mean((2, 3, 4)).argmin(1)
    assert nearest.tolist() == list(range(count))
    assert lines[0].partition("%")[2].strip() in network.class_names and f"{count} frames" in lines[1]


def test_a_class_and_a_block_can_be_chosen(network, folder, tmp_path):
    outs = [tmp_path / f"{i}.mp4" for i in range(3)]
    cam_video(network, folder / "v0.avi", outs[0], label="ride")
    cam_video(network, folder / "v0.avi", outs[1], label="swim")
    lines = cam_video(network, folder / "v0.avi", outs[2], label="swim", block="stem-path0", size=64)
    first, second, third = (decode_all(out.read_bytes()) for out in outs)
    assert (first != second).any() and first.shape[1:3] == (256, 384) and third.shape[1:3] == (64, 96)
    assert "swim" in lines[0] and "at stem-path0" in lines[1]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"label": "fly"}, "no class 'fly'; there are ride, run, swim"),
        ({"block": "stage9"}, "no block 'stage9' in this trunk; its blocks: stem-path0"),
        ({"size": 1}, r"--size \(=1\) must be at least 2"),
        ({"out": "v.avi"}, r"must be called \*.mp4 or \*.gif"),
        ({"path": "broken.avi"}, "broken.avi: not a video"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_left(network, folder, tmp_path, changes, message):
    arguments = {"path": folder / changes.pop("path", "v0.avi"), "out": tmp_path / changes.pop("out", "v.mp4")}
    with pytest.raises(InputError, match=message):
        cam_video(network, **arguments, **changes)
    assert not list(tmp_path.iterdir())


def test_a_file_without_a_video_stream(network, tmp_path):
    (tmp_path / "song.wav").write_bytes(audio_only())
    with pytest.raises(InputError, match=r"song.wav: no video stream in it"):
        cam_video(network, tmp_path / "song.wav", tmp_path / "v.mp4")


def test_heat_is_painted_where_the_map_is_high_and_nowhere_else():
    frames = np.full((2, 16, 16, 3), 100, np.uint8)
    maps = np.zeros((1, 4, 4), np.float32)
    maps[0, 0, 0] = 3.0
    painted = overlay(frames, maps, highest=3.0).astype(int)
    assert (painted[:, 8:, 8:] == 100).all()
    assert painted[0, 0, 0, 0] > 100 > painted[0, 0, 0, 2]  # red
    faint = overlay(frames, maps, highest=300.0).astype(int)
    assert np.abs(faint - 100).max() < 10
    assert (overlay(frames, 0 * maps, highest=0.0) == 100).all()


def test_maps_are_stretched_in_time_as_well():
    frames = np.full((4, 8, 8, 3), 100, np.uint8)
    maps = np.stack([np.zeros((2, 2), np.float32), np.ones((2, 2), np.float32)])
    change = np.abs(overlay(frames, maps, highest=1.0).astype(int) - 100).sum((1, 2, 3))
    assert change[0] == 0 < change[1] < change[2] < change[3]
