import numpy as np
import pytest
from videos import encode, frames_of

from r3d_jax.cli.inputs import Named
from r3d_jax.inference import timeline as module
from r3d_jax.inference.forward import make_forward, probabilities
from r3d_jax.inference.predict import Prediction
from r3d_jax.inference.timeline import Curve, draw, free_path, timeline


def test_every_stretch_gets_the_probabilities_of_its_own_frames(network, tmp_path):
    path = tmp_path / "v.avi"
    path.write_bytes(encode(frames_of(11)))
    forward = make_forward(network)
    rows = list(timeline(network, forward, Named(path), hop=3, batch=2))
    assert [(row.where["start"], row.where["end"]) for row in rows] == [
        (0.0, 0.12), (0.12, 0.24), (0.24, 0.36), (0.28, 0.4)]  # fmt: skip
    from r3d_jax.video.stream import stream

    frames = np.stack([moment.frame for moment in stream(path.read_bytes(), size=16)])
    for row, first in zip(rows, (0, 3, 6, 7)):
        expected = probabilities(forward(frames[None, None, first : first + 4]), network)[0]
        np.testing.assert_allclose(row.probabilities, expected, rtol=1e-4, atol=1e-6)


def test_what_cannot_be_read_on_ends_with_the_reason(network, tmp_path):
    whole = encode(frames_of(40), codec="libx264", container="mpegts", key_every=10)
    (tmp_path / "cut.ts").write_bytes(whole[: len(whole) // 2] + b"\0" * 20000)
    (tmp_path / "none.avi").write_bytes(b"no video")
    forward = make_forward(network)
    rows = list(timeline(network, forward, Named(tmp_path / "none.avi")))
    assert len(rows) == 1 and "not a video" in rows[0].reason
    (gone,) = timeline(network, forward, Named(tmp_path / "gone.avi"))
    assert gone.reason == "No such file or directory"
    (named,) = timeline(network, forward, Named(tmp_path, "no video in it"))
    assert named.reason == "no video in it"


def test_what_was_read_before_the_damage_is_given(network, tmp_path, monkeypatch):
    def breaking(*_, **__):
        from r3d_jax.video.stream import Moment

        yield from (Moment(i / 25, frame) for i, frame in enumerate(frames_of(6, 16, 16)))
        raise ValueError("breaks off after 6 frames")

    (tmp_path / "v.avi").touch()
    monkeypatch.setattr(module, "stream", breaking)
    rows = list(timeline(network, make_forward(network), Named(tmp_path / "v.avi"), hop=2))
    assert [row.reason for row in rows] == ["", "", "breaks off after 6 frames"]
    assert rows[-1].where["start"] == rows[1].where["end"] > 0


def test_a_curve_of_any_length_has_a_bounded_number_of_points():
    curve = Curve()
    for i in range(10 * module.POINTS + 7):
        curve.add(Prediction("v", {"start": i, "end": i + 2}, np.array([i % 2, 1 - i % 2], np.float32)))
    assert len(curve) <= 2 * module.POINTS + 1
    seconds, rows = curve.points()
    assert (np.diff(seconds) > 0).all() and seconds[0] < 16 and seconds[-1] > 10 * module.POINTS - 10
    np.testing.assert_allclose(rows[:-1], 0.5)


def test_the_picture_overwrites_nothing(tmp_path):
    curve = Curve()
    curve.add(Prediction("v", {"start": 0.0, "end": 1.0}, np.array([0.25, 0.75], np.float32)))
    path = free_path(tmp_path / "new", "v", ".png")
    draw(curve, ("a", "b"), "v.avi", path)
    assert path.read_bytes().startswith(b"\x89PNG") and path.name == "v.png"
    assert free_path(path.parent, "v", ".png").name == "v-2.png"
    with pytest.raises(FileExistsError):
        draw(curve, ("a", "b"), "v.avi", path)
