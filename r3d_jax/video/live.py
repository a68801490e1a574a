"""A camera, a stream from the network, or a file at its own speed: frames as they come, without those that are late."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from r3d_jax.video.decode import limit, packets_of, reason_of, video_stream
from r3d_jax.video.stream import Moment, as_shown, at_rate

LATE = 0.5  # seconds behind its time, from which a frame is dropped, with all up to the next key frame
JUMP = 10.0  # seconds between two frames that are no time but other time stamps
SILENCE = 10.0  # seconds without any data after which a stream is given up
# What FFmpeg may open for an address: nothing of this machine, whatever a playlist names.
WEB = "http,https,tcp,tls,crypto"
PROTOCOLS = {"http": WEB, "https": WEB, "rtsp": "rtp,udp,tcp", "rtsps": "rtp,udp,tcp,tls"}


def scheme_of(source: str) -> str:
    """The protocol of an address, as in "rtsp"; "camera" for a device, "file" for another path."""
    if found := re.match(r"(\w+)://", source):
        return found[1].lower()
    return "camera" if Path(source).is_char_device() or re.match(r"/dev/video\d+$", source) else "file"


def live(
    source: str,
    *,
    size: int,
    frame_rate: float = 0.0,
    counts: Counter | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Moment]:
    """The frames of a source at the speed at which they were taken, whole, upright, with square pixels, in RGB.

    Files, and what HTTP sends, are held to their time stamps. Whatever comes later than LATE because frames are not
    taken as quickly as they come is dropped, up to the next key frame.

    Args:
      source: a file, a camera such as /dev/video0, or an address (rtsp, rtsps, http, https).
      size: pixels of the short edge.
      frame_rate: ticks a second, at each of which the frame is given that is on the screen; 0: every frame is given.
      counts: where "frames" that decode and "dropped" ones are counted.
      clock: seconds that pass.
      sleep: waits for some seconds of `clock`.

    Raises:
      ValueError: the source cannot be opened, or not be read any further; the message is the reason.
      OSError: there is no file that can be read.
    """
    counts = Counter() if counts is None else counts
    scheme = scheme_of(source)
    pace = Pace(wait=scheme in ("file", "http", "https"), clock=clock, sleep=sleep)
    with _opened(source, scheme) as (container, stream):
        frames = _in_time(container, stream, pace, counts, waiting=scheme != "file")
        yield from at_rate(as_shown(stream, frames, size), frame_rate)


class Pace:
    """Which frames are late, and by how much, where a source may be slow and whoever takes its frames too."""

    def __init__(self, *, wait: bool, clock: Callable[[], float], sleep: Callable[[float], None]):
        """The clock starts with the first frame.

        Args:
          wait: hold frames that come early until their time; else they came in time, and those before them late.
          clock: seconds that pass.
          sleep: waits for some seconds of `clock`.
        """
        self._wait, self.clock, self._sleep = wait, clock, sleep
        self._zero: float | None = None  # the clock's time of second 0

    def late(self, seconds: float, waited: float) -> float:
        """By how many seconds we, and not the source, are behind with what is to be shown at `seconds`.

        Args:
          waited: for how long the source has let us wait for it, which is its own delay.
        """
        if self._zero is None:
            return 0.0
        behind = self.clock() - self._zero - seconds
        if behind > 0 or not self._wait:
            self._zero += min(behind, waited)
        return max(0.0, behind - waited)

    def meet(self, seconds: float) -> None:
        """Waits until it is time for what is to be shown at `seconds`, if it is to wait."""
        if self._zero is None:
            self._zero = self.clock() - seconds
        early = self._zero + seconds - self.clock()
        if self._wait and early > 0:
            self._sleep(early)


def _in_time(container, stream, pace, counts, waiting):
    """Decoded frames, at their times and none that is late; where `waiting`, none before a key frame."""
    packets, before, shift = packets_of(container, stream), None, 0.0
    while True:
        asked = pace.clock()
        if (packet := next(packets, None)) is None:
            return
        waited = pace.clock() - asked
        at = None if packet.pts is None else float(packet.pts * packet.time_base) + shift
        if before is not None and at is not None and abs(at - before) > JUMP:
            shift += before - at
            at = before
        before = before if at is None else at
        late = at is not None and pace.late(at, waited) > LATE
        if packet.size and (late or (waiting and not packet.is_keyframe)):
            counts["dropped"] += counts["frames"] > 0  # whoever comes in between two key frames has lost nothing
            waiting = True
            continue
        if waiting and counts["frames"]:
            stream.codec_context.flush_buffers()
        waiting = False
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            counts["dropped"], waiting = counts["dropped"] + 1, True
            continue
        for frame in frames:
            if frame.time is not None:
                pace.meet(frame.time + shift)
            counts["frames"] += 1
            yield frame


@contextmanager
def _opened(source, scheme):
    if scheme == "file":
        with Path(source).expanduser().open("rb") as file, video_stream(file) as opened:
            yield opened
        return
    if scheme not in (*PROTOCOLS, "camera"):
        raise ValueError(f"no protocol {scheme!r}; there are {', '.join(PROTOCOLS)}, cameras and files")
    options = {"rtsp_transport": "tcp"} if scheme.startswith("rtsp") else {}
    if scheme != "camera":
        options["protocol_whitelist"] = PROTOCOLS[scheme]
    try:
        opened = av.open(source, format="v4l2" if scheme == "camera" else None, options=options, timeout=SILENCE)
    except (av.error.FFmpegError, ValueError) as error:
        raise ValueError(f"cannot be opened: {_reason(error)}") from error
    with opened as container:
        if not container.streams.video or container.streams.video[0].codec_context is None:
            raise ValueError("no video stream in it that can be decoded")
        limit(container.streams.video[0].codec_context)
        yield container, container.streams.video[0]


def _reason(error):
    if isinstance(error, av.error.ExitError):
        return f"nothing came for {SILENCE:g} s"
    return reason_of(error) if isinstance(error, av.error.FFmpegError) else str(error)
