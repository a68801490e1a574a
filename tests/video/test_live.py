import itertools
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from videos import encode, frames_of

from r3d_jax.video.live import LATE, Pace, live, scheme_of
from r3d_jax.video.probe import probe
from r3d_jax.video.stream import stream


class Clock:
    """Seconds that pass only when someone sleeps, and `each` whenever they are asked for."""

    def __init__(self, each=0.0):
        self.now, self.each, self.slept = 0.0, each, []

    def __call__(self):
        self.now += self.each
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@contextmanager
def sent(*answers):
    """The address of a server whose answers have no length and end where the bytes do."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if not left:
                return self.send_error(404)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(left.pop(0))

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/live.ts"
        server.shutdown()


def transport(count, **options):
    return encode(frames_of(count), codec="libx264", container="mpegts", **options)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a.mp4").write_bytes(encode(frames_of(40), codec="libx264", container="mp4", key_every=10))
    return tmp_path / "a.mp4"


@pytest.mark.parametrize(
    "source, scheme",
    [
        ("rtsp://camera/1", "rtsp"),
        ("HTTPS://host/a.m3u8", "https"),
        ("/dev/video0", "camera"),
        ("/dev/null", "camera"),
        ("videos/a.mp4", "file"),
    ],
)
def test_what_kind_of_source_it_is(source, scheme):
    assert scheme_of(source) == scheme


def test_a_file_gives_all_its_frames_at_their_times(path):
    clock, counts = Clock(), Counter()
    found = []
    for moment in live(str(path), size=20, counts=counts, clock=clock, sleep=clock.sleep):
        found.append((clock.now, moment))
    for (now, moment), expected in zip(found, stream(path.read_bytes(), size=20), strict=True):
        assert abs(moment.seconds - expected.seconds) < 1e-9 and (moment.frame == expected.frame).all()
        assert moment.seconds - 1e-6 <= now < moment.seconds + 0.05
    assert counts == {"frames": 40}


def test_who_takes_frames_too_slowly_gets_none_that_are_late(path):
    """At a fourth of the file's speed, most of its frames are dropped, up to key frames."""
    clock, counts, late, shown = Clock(), Counter(), [], []
    for moment in live(str(path), size=20, counts=counts, clock=clock, sleep=clock.sleep):
        clock.now += 4 / 25
        late.append(clock.now - moment.seconds)
        shown.append(round(25 * moment.seconds))
    assert counts["frames"] + counts["dropped"] == 40 and counts["frames"] == len(shown) < 30
    assert max(late) < LATE + 2 * 4 / 25
    packets = probe(path.read_bytes())[1].packets
    begins = {after for before, after in itertools.pairwise(shown) if after - before > 1}
    assert begins and begins <= set(packets[packets[:, 2] == 1, 3].tolist())


def test_a_frame_rate_brings_a_source_to_ticks(path):
    clock = Clock()
    found = [moment.seconds for moment in live(str(path), size=20, frame_rate=5, clock=clock, sleep=clock.sleep)]
    np.testing.assert_allclose(found, np.arange(8) / 5)


def until_it_breaks_off(moments):
    given = []
    with pytest.raises(ValueError, match=r"breaks off after \d+ frames: Input/output error"):
        given.extend(moments)
    return given


def test_an_address_is_played_from_its_first_key_frame_until_it_breaks_off():
    whole = transport(30, key_every=10)
    clock, counts = Clock(), Counter()
    options = {"size": 20, "counts": counts, "clock": clock, "sleep": clock.sleep}
    with sent(whole, whole[len(whole) // 3 // 188 * 188 :]) as url:
        all_of_it = until_it_breaks_off(live(url, **options))
        later = until_it_breaks_off(live(url, **options))
        with pytest.raises(ValueError, match="cannot be opened: Server returned 404 Not Found"):
            next(live(url, **options))
    assert len(all_of_it) == 30 and 29 / 25 <= clock.now < 3
    assert 0 < len(later) < 30 and counts == {"frames": 30 + len(later)}
    assert (later[0].frame == all_of_it[-len(later)].frame).all()  # nothing that is made up of missing frames


def test_a_playlist_leads_to_no_file_of_this_machine(path):
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{path}\n#EXT-X-ENDLIST\n".encode()
    with sent(playlist, playlist) as url, pytest.raises(ValueError, match=r"cannot be opened|no video stream|no frame"):
        next(live(url.replace(".ts", ".m3u8"), size=20))


@pytest.mark.parametrize(
    "source, message",
    [
        ("gopher://host", "no protocol 'gopher'; there are http, https, rtsp, rtsps, cameras and files"),
        ("/dev/null", "cannot be opened: "),
        ("rtsp://127.0.0.1:9/", "cannot be opened: Connection refused"),
    ],
)
def test_what_cannot_be_opened_says_why(source, message):
    with pytest.raises(ValueError, match=message):
        next(live(source, size=20))


def test_a_source_without_video_is_refused():
    from videos import audio_only

    with sent(audio_only()) as url, pytest.raises(ValueError, match="no video stream in it that can be decoded"):
        next(live(url, size=20))


def test_time_that_the_source_itself_takes_makes_nothing_late():
    clock = Clock()
    pace = Pace(wait=True, clock=clock, sleep=clock.sleep)
    assert pace.late(0, 0) == 0
    pace.meet(0)
    clock.now = 3
    assert pace.late(1, waited=2.5) == 0  # it came as late as that, and later frames may too
    assert pace.late(1, waited=0) == 0
    clock.now = 5
    assert pace.late(1.5, waited=0) == pytest.approx(1.5)
    pace.meet(4.0)
    assert clock.slept == [pytest.approx(1.0)]


def test_a_camera_that_sends_early_was_late_before():
    clock = Clock()
    pace = Pace(wait=False, clock=clock, sleep=clock.sleep)
    pace.meet(0)
    clock.now = 1
    assert pace.late(3, waited=0) == 0 and not clock.slept
    clock.now = 2
    assert pace.late(3, waited=0) == pytest.approx(1)
