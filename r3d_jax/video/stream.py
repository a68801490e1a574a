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
    """A frame, and when it is shown, in seconds from the first one."""

    seconds: float
    frame: UInt8[np.ndarray, "height width channel"]


class Stretch(NamedTuple):
    """A clip, the number of its first moment, and when each of its frames is shown."""

    first: int
    seconds: Float[np.ndarray, "time"]
    clip: UInt8[np.ndarray, "time height width channel"]

    @property
    def start(self) -> float:
        """When its first frame is shown."""
        return float(self.seconds.min())

    @property
    def end(self) -> float:
        """When its last frame is shown."""
        return float(self.seconds.max())


def stream(file: io.IOBase | bytes, *, size: int, frame_rate: float = 0.0) -> Iterator[Moment]:
    """The frames of `file` as they are shown: whole, upright, the short edge at `size`.

    With a `frame_rate`, what is on the screen at each tick of it.

    Raises:
      ValueError: it cannot be read, or not any further; the message is the reason.
    """
    shown = _decoded(file, size)
    return _at_rate(shown, frame_rate) if frame_rate else shown


def stretches(moments: Iterable[Moment], *, frames: int, stride: int, hop: int) -> Iterator[Stretch]:
    """Clips that start at every `hop`-th moment, and one that ends with the last; a short video loops."""
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
        rate = float(stream.average_rate or 25)
        times, count, last = deque(), 0, 0.0

        def decoded():
            for packet in packets_of(container, stream):
                for frame in packet.decode():
                    times.append(frame.time)
                    yield frame

        frames = decoded()
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


def _at_rate(shown, rate):
    tick, before = 0, None
    for moment in shown:
        while before and tick / rate + 1e-6 < moment.seconds:
            yield Moment(tick / rate, before.frame)
            tick += 1
        before = moment
    while before and tick / rate <= before.seconds + 1e-6:
        yield Moment(tick / rate, before.frame)
        tick += 1
