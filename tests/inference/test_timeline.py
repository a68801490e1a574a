import re

import numpy as np
import pytest
from videos import encode, frames_of

from r3d_jax.inference import timeline as module
from r3d_jax.inference.forward import make_forward, probabilities
from r3d_jax.inference.predict import Prediction
from r3d_jax.inference.timeline import Curve, draw, free_path, timeline
from r3d_jax.video.stream import Moment, stream


def test_every_stretch_gets_the_probabilities_of_its_own_frames(network, tmp_path):
    path = tmp_path / "v.avi"
    path.write_bytes(encode(frames_of(11)))
    forward = make_forward(network)
    found = list(timeline(network, forward, path, hop=3, batch_size=2))
    assert [(each.where["start"], each.where["end"]) for each in found] == [
        (0.0, 0.12), (0.12, 0.24), (0.24, 0.36), (0.28, 0.4)]  # fmt: skip
    frames = np.stack([moment.frame for moment in stream(path.read_bytes(), size=16)])
    for each, first in zip(found, (0, 3, 6, 7)):
        expected = probabilities(forward(frames[None, None, first : first + 4]), network)[0]
        np.testing.assert_allclose(each.probabilities, expected, rtol=1e-4, atol=1e-6)
        assert each.video == str(path) and each.reason == ""


def test_what_cannot_be_read_on_ends_with_the_reason(network, tmp_path):
    whole = encode(frames_of(40), codec="libx264", container="mp4")
    lost = slice(len(whole) // 2, len(whole) // 2 + len(whole) // 5)
    (tmp_path / "damaged.mp4").write_bytes(whole[: lost.start] + bytes(lost.stop - lost.start) + whole[lost.stop :])
    (tmp_path / "none.avi").write_bytes(b"no video")
    forward = make_forward(network)
    *found, last = timeline(network, forward, tmp_path / "damaged.mp4")
    count = int(re.fullmatch(r"breaks off after (\d+) frames: .+", last.reason)[1])
    assert 8 < count < 40 and last.probabilities is None
    assert [each.where["start"] for each in found] == [round(0.08 * i, 3) for i in range((count - 4) // 2 + 1)]
    assert not any(each.reason for each in found) and last.where["start"] == found[-1].where["end"]
    (none,) = timeline(network, forward, tmp_path / "none.avi")
    assert "not a video" in none.reason and none.probabilities is None
    (gone,) = timeline(network, forward, tmp_path / "gone.avi")
    assert gone.reason == "No such file or directory"


def test_what_was_read_before_the_damage_is_given(network, tmp_path, monkeypatch):
    def breaking(*_, **__):
        yield from (Moment(i / 25, frame) for i, frame in enumerate(frames_of(6, 16, 16)))
        raise ValueError("breaks off after 6 frames")

    (tmp_path / "v.avi").touch()
    monkeypatch.setattr(module, "stream", breaking)
    found = list(timeline(network, make_forward(network), tmp_path / "v.avi", hop=2))
    assert [each.reason for each in found] == ["", "", "breaks off after 6 frames"]
    assert found[-1].where["start"] == found[1].where["end"] > 0


def test_a_curve_of_any_length_has_a_bounded_number_of_points():
    curve = Curve()
    for i in range(10 * module.POINTS + 7):
        curve.add(Prediction("v", {"start": i, "end": i + 2}, np.array([i % 2, 1 - i % 2], np.float32)))
    assert len(curve) <= 2 * module.POINTS + 1
    seconds, found = curve.points()
    assert (np.diff(seconds) > 0).all() and seconds[0] < 16 and seconds[-1] > 10 * module.POINTS - 10
    np.testing.assert_allclose(found[:-1], 0.5)


def test_the_picture_overwrites_nothing(tmp_path):
    curve = Curve()
    curve.add(Prediction("v", {"start": 0.0, "end": 1.0}, np.array([0.25, 0.75], np.float32)))
    path = free_path(tmp_path / "new", "v", ".png")
    draw(curve, ("a", "b"), "v.avi", path)
    assert path.read_bytes().startswith(b"\x89PNG") and path.name == "v.png"
    assert free_path(path.parent, "v", ".png").name == "v-2.png"
    with pytest.raises(FileExistsError):
        draw(curve, ("a", "b"), "v.avi", path)
