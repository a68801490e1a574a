import threading
from collections import Counter

import numpy as np
import pytest
from videos import encode, frames_of

from r3d_jax.errors import InputError
from r3d_jax.inference import watch as module
from r3d_jax.inference.forward import make_forward, probabilities
from r3d_jax.inference.watch import Latest, clips_of, smoothed, watch
from r3d_jax.video.clips import ClipSpec
from r3d_jax.video.stream import Moment, Stretch, stream, stretches

CLIP = ClipSpec(frames=4, crop=16, train_sizes=(16, 16), test_size=16)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a.avi").write_bytes(encode(frames_of(14)))
    return tmp_path / "a.avi"


def test_each_clip_is_given_the_networks_probabilities(network, path):
    clip = network.clip
    counts = Counter()
    seen = list(watch(network, str(path), counts=counts))
    assert counts["frames"] == 14 and counts["clips"] == len(seen) and counts["clips"] + counts["passed"] == 6
    own = stretches(stream(path.read_bytes(), size=16), frames=clip.frames, stride=clip.stride, hop=2)
    expected = {each.first: each for each in own}
    forward = make_forward(network)
    for each in seen:
        assert (each.stretch.clip == expected[each.stretch.first].clip).all()
        found = probabilities(forward(each.stretch.clip[None, None]), network)[0]
        np.testing.assert_allclose(each.probabilities, found, atol=1e-6)
    assert seen[-1].stretch.first == 10  # the last is never passed over


def test_what_cannot_be_opened_is_an_error_at_once(network, tmp_path):
    (tmp_path / "b.avi").write_bytes(b"no video")
    with pytest.raises(InputError, match=r"b.avi: not a video"):
        next(watch(network, str(tmp_path / "b.avi")))
    with pytest.raises(InputError, match=r"none.avi: No such file"):
        next(watch(network, str(tmp_path / "none.avi")))


def test_a_stream_is_opened_again_ever_later_until_it_gives_clips(monkeypatch):
    """Three connections that fail, one that breaks off, one that fails, and one that ends."""
    frame = np.zeros((16, 16, 3), np.uint8)
    outcomes, waits, told = ["fail", "fail", "fail", "break", "fail", "end"], [], []

    def live(source, **_):
        kind = outcomes.pop(0)
        if kind != "fail":
            yield from (Moment(i / 25, frame) for i in range(6))
        if kind != "end":
            raise ValueError("gone")

    monkeypatch.setattr(module, "live", live)
    clock = iter(range(100))
    clips = clips_of(
        "rtsp://host/1", CLIP, counts=Counter(), told=told.append, clock=lambda: next(clock), sleep=waits.append
    )
    found = [next(clips) for _ in range(4)]
    assert waits == [1, 2, 4, 1, 2]
    assert told[0] == "rtsp://host/1: gone; it is opened again in 1 s"
    begins = [each.start for each in found]
    assert begins == [4, 4 + 2 / 25, 6, 6 + 2 / 25]  # no clip spans a break, and time goes on


def test_a_file_that_breaks_off_says_so_and_ends(monkeypatch):
    def live(source, **_):
        yield from (Moment(i / 25, np.zeros((16, 16, 3), np.uint8)) for i in range(5))
        raise ValueError("breaks off")

    monkeypatch.setattr(module, "live", live)
    told = []
    assert len(list(clips_of("a.avi", CLIP, counts=Counter(), told=told.append))) == 1
    assert told == ["a.avi: breaks off"]


def test_waits_for_a_stream_grow_no_longer_than_half_a_minute(monkeypatch):
    waits = []

    def live(source, **_):
        raise ValueError("gone" if len(waits) < 7 else 1 / 0)
        yield

    monkeypatch.setattr(module, "live", live)
    with pytest.raises(ZeroDivisionError):
        next(clips_of("rtsp://host/1", CLIP, counts=Counter(), told=str, sleep=waits.append))
    assert waits == [1, 2, 4, 8, 16, 30, 30]


def test_only_the_last_clip_is_kept_and_it_is_given_before_the_end():
    counts = Counter()
    latest = Latest(counts)
    latest.fill(iter([1, 2, 3]))
    assert list(latest) == [3] and counts["passed"] == 2


def test_who_waits_for_a_clip_gets_it_from_another_thread():
    latest, go = Latest(Counter()), threading.Event()

    def clips():
        yield 1
        go.wait(5)
        yield 2

    threading.Thread(target=latest.fill, args=(clips(),)).start()
    taken = iter(latest)
    assert next(taken) == 1
    go.set()
    assert list(taken) == [2]


def test_smoothing_is_a_mean_whose_weights_fall_with_time():
    a, b, c = np.eye(3)
    assert (smoothed(a, b, 1.0, 0.0) == b).all()
    twice = smoothed(smoothed(a, b, 0.5, 2.0), c, 1.0, 2.0)
    first, second = np.exp(-0.5 / 2), np.exp(-1 / 2)
    np.testing.assert_allclose(twice, [first * second, (1 - first) * second, 1 - second])
    np.testing.assert_allclose(smoothed(a, b, -3.0, 2.0), a)  # a clock that was set back


def test_a_watch_smooths_over_its_clips(network, path, monkeypatch):
    made = [Stretch(0, np.array([at, at + 0.1]), np.zeros((2, 16, 16, 3), np.uint8)) for at in (0.0, 1.0)]
    given = iter(np.eye(3, dtype=np.float32)[[2, 0, 1]])  # the first is of what the network is tried on
    monkeypatch.setattr(module.Latest, "__iter__", lambda _: iter(made))
    monkeypatch.setattr(module, "probabilities", lambda *_: next(given)[None])
    first, second = watch(network, str(path), smoothing=1.0)
    np.testing.assert_allclose(first.probabilities, [1, 0, 0])
    np.testing.assert_allclose(second.probabilities, [np.exp(-1), 1 - np.exp(-1), 0], rtol=1e-6)
