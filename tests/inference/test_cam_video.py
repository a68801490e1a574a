from dataclasses import replace

import numpy as np
import pytest
from videos import audio_only, decode_all

from r3d_jax.errors import InputError
from r3d_jax.inference.cam_video import cam_video


@pytest.mark.slow
@pytest.mark.parametrize("stride, name, count", [(1, "v0.avi", 9), (2, "v3.avi", 15), (1, "v4.avi", 3)])
def test_every_frame_is_shown_once_and_painted(network, folder, tmp_path, stride, name, count):
    changed = network._replace(clip=replace(network.clip, stride=stride))
    lines = cam_video(changed, folder / name, tmp_path / "out.gif", size=32)
    frames = decode_all((tmp_path / "out.gif").read_bytes()).astype(float)
    plain = decode_all((folder / name).read_bytes())
    assert frames.shape == plain.shape and len(frames) == count
    assert np.abs(frames - plain).max() > 50
    # Frames differ by a square that moves: painted or not, the right one is the nearest.
    nearest = np.abs(frames[:, None] - plain[None]).mean((2, 3, 4)).argmin(1)
    assert nearest.tolist() == list(range(count))
    assert lines[0].partition("%")[2].strip() in network.class_names and f"{count} frames" in lines[1]


@pytest.mark.slow
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
        ({"size": 1}, r"`size` \(=1\) must be at least 2"),
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
