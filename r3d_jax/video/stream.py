"""A video of any length, frame after frame and clip after clip, in the memory of one clip."""

import io
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

import av
import numpy as np
from jaxtyping import Float, UInt8

from r3d_jax.video.clips import span
from r3d_jax.video.decode import packets_of, reason_of, video_stream
from r3d_jax.video.pixels import upright
from r3d_jax.video.probe import LONGEST, how_shown
from r3d_jax.video.transforms import short_edge_size


class Moment(NamedTuple):
    """One frame of a video as it is shown.

    Attributes:
      seconds: when it is shown, from the first frame.
      frame: its pixels, in RGB.
    """

    seconds: float
    frame: UInt8[np.ndarray, "height width channel"]


class Stretch(NamedTuple):
    """A clip of a long video, and where in it the clip stands.

    Attributes:
      first: number of the clip's first moment, from 0.
      seconds: when each of its frames is shown, from the video's first frame.
      clip: its pixels, in RGB.
    """

    first: int
    seconds: Float[np.ndarray, "time"]
    clip: UInt8[np.ndarray, "time height width channel"]

    @property
    def start(self) -> float:
        """When the clip's first frame is shown, in seconds."""
        return float(self.seconds.min())

    @property
    def end(self) -> float:
        """When the clip's last frame is shown, in seconds."""
        return float(self.seconds.max())


def stream(file: io.IOBase | bytes, *, size: int, frame_rate: float = 0.0) -> Iterator[Moment]:
    """The frames of a video as they are shown, one after the other: whole, upright, with square pixels, in RGB.

    Args:
      file: a file's bytes, or the file, open for reading bytes.
      size: pixels of the short edge.
      frame_rate: ticks a second, at each of which the frame is given that is on the screen; 0: every frame is given.

    Raises:
      ValueError: the video cannot be read, or not any further; the message is the reason.
    """
    shown = _decoded(file, size)
    return at_rate(shown, frame_rate)


def stretches(moments: Iterable[Moment], *, frames: int, stride: int, hop: int) -> Iterator[Stretch]:
    """Clips of a video of any length, in the memory of one: they start at every `hop`-th moment, and one ends with it.

    A video that is too short for a clip loops.

    Args:
      moments: of the video, in order.
      frames: of a clip.
      stride: from one frame of a clip to the next, in moments.
      hop: from the start of a clip to that of the next, in moments.
    """
    reach = span(frames, stride)
    held: deque[Moment] = deque(maxlen=reach)
    count, given = 0, -1  # moments so far; where the latest clip has ended
    for moment in moments:
        held.append(moment)
        if count + 1 >= reach and not (count + 1 - reach) % hop:
            yield _stretch(count, held, frames, stride)
            given = count
        count += 1
    if count and given < count - 1:
        yield _stretch(count - 1, held, frames, stride)


def _stretch(last, held, frames, stride):
    seconds, clip = zip(*(held[i * stride % len(held)] for i in range(frames)))
    return Stretch(last + 1 - len(held), np.array(seconds), np.stack(clip))


def _decoded(file, size):
    """Every frame and its time."""
    with video_stream(file) as (container, stream):
        packets = packets_of(container, stream)
        yield from as_shown(stream, (frame for packet in packets for frame in packet.decode()), size)


def as_shown(stream: av.VideoStream, decoded: Iterator[av.VideoFrame], size: int) -> Iterator[Moment]:
    """Decoded frames as they are shown: whole, upright, with square pixels, in RGB; times rise from 0.

    Args:
      stream: that the frames are of.
      decoded: one after the other.
      size: pixels of the short edge.

    Raises:
      ValueError: there is no frame, or decoding breaks off; the message is the reason.
    """
    rate = float(stream.average_rate or 25)
    times, count, last = deque(), 0, 0.0

    def noted():
        for frame in decoded:
            times.append(frame.time)
            yield frame

    frames = noted()
    try:
        first = next(frames, None)
        if first is None:
            raise ValueError("no frame of it decodes")
        turn, mirror, shown = how_shown(first, stream)
        whole = short_edge_size(*shown, size)
        begun = times[0]
        for frame in upright(chain([first], frames), whole, turn=turn, mirror=mirror):
            seconds = _seconds(times.popleft(), begun)
            if count and not last < seconds < last + LONGEST:
                seconds = last + 1 / rate  # stamps that do not rise, or rise beyond reason
            last = seconds
            yield Moment(seconds, frame)
            count += 1
    except av.error.FFmpegError as error:
        raise ValueError(f"breaks off after {count} frames: {reason_of(error)}") from error


def _seconds(time, begun):
    return 0.0 if time is None or begun is None else time - begun


def at_rate(shown: Iterator[Moment], rate: float) -> Iterator[Moment]:
    """At each tick, the moment that is on the screen; with a `rate` of 0 ticks a second, every moment."""
    if not rate:
        yield from shown
        return
    tick, before = 0, None
    for moment in shown:
        while before and tick / rate + 1e-6 < moment.seconds:
            yield Moment(tick / rate, before.frame)
            tick += 1
        before = moment
    while before and tick / rate <= before.seconds + 1e-6:
        yield Moment(tick / rate, before.frame)
        tick += 1
