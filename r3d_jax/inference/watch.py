"""A network that watches a camera, a stream or a file at its own speed: probabilities of the clip that was there last.

One thread reads and makes clips, another runs the network; where the network is slower, clips are passed over.
"""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from r3d_jax.errors import InputError
from r3d_jax.inference.forward import make_forward, probabilities
from r3d_jax.video.live import live, scheme_of
from r3d_jax.video.stream import Stretch, stretches
from r3d_jax.weights.trained import TrainedNetwork

FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0  # seconds before a source is opened again; each wait is twice the one before


class Seen(NamedTuple):
    """What a network says of the clip that was there last.

    Attributes:
      stretch: the clip, and when its frames were shown, in seconds since the watch began.
      probabilities: one for each of the network's classes, after smoothing.
    """

    stretch: Stretch
    probabilities: Float[np.ndarray, "class"]


def watch(
    network: TrainedNetwork,
    source: str,
    *,
    smoothing: float = 0.0,
    dtype: str = "float32",
    counts: Counter | None = None,
    told: Callable[[str], None] = print,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Seen]:
    """What a network says of a source's last clip, again and again, until a file has ended; cameras and streams do not.

    A clip is taken each half of what one spans, and looked at when the network is free; what is then no longer the last
    is passed over. A stream that breaks off is opened again, after 1, 2, 4, ... 30 seconds.

    Args:
      source: a file, a camera such as /dev/video0, or an address, as `live` takes them.
      smoothing: seconds in which the weight of what was seen falls to 1/e; 0: each clip counts by itself.
      dtype: of the activations; `choose_dtype` chooses it.
      counts: where "frames", "dropped" ones, "clips" that were looked at and "passed" ones are counted.
      told: is called with a line when a source breaks off.
      clock, sleep: as `live` takes them.

    Raises:
      InputError: the source cannot be opened, there is no frame in it, or the network's answer is no number.
    """
    counts = Counter() if counts is None else counts
    clip, forward = network.clip, make_forward(network, dtype=dtype)
    try:
        with closing(live(source, size=clip.test_size)) as moments:
            shape = next(moments).frame.shape
    except (ValueError, OSError) as error:
        raise InputError(f"{source}: {getattr(error, 'strerror', None) or error}") from error
    blank = np.zeros((1, 1, clip.frames, *shape), np.uint8)
    probabilities(forward(blank), network)  # compiled before the clock runs
    latest = Latest(counts)
    options = {"counts": counts, "told": told, "clock": clock, "sleep": sleep}
    threading.Thread(target=latest.fill, args=(clips_of(source, clip, **options),), daemon=True).start()
    smooth, before = None, 0.0
    for stretch in latest:
        found = probabilities(forward(stretch.clip[None, None]), network)[0]
        smooth = found if smooth is None else smoothed(smooth, found, stretch.end - before, smoothing)
        before = stretch.end
        counts["clips"] += 1
        yield Seen(stretch, smooth)


def clips_of(
    source: str,
    clip,
    *,
    counts: Counter,
    told: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Stretch]:
    """The clips of a source as they come, one each half of what a clip spans; streams are opened again, files end.

    Args:
      clip: the `ClipSpec` of the network.
      counts, told, clock, sleep: as `watch` takes them.
    """
    begun, wait = clock(), FIRST_WAIT
    while True:
        offset, reason = clock() - begun, "it has ended"
        moments = live(source, size=clip.test_size, frame_rate=clip.frame_rate, counts=counts, clock=clock, sleep=sleep)
        try:
            for each in stretches(moments, frames=clip.frames, stride=clip.stride, hop=max(1, clip.span // 2)):
                wait = FIRST_WAIT
                yield each._replace(seconds=each.seconds + offset)
        except (ValueError, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error)
        if scheme_of(source) == "file":
            if reason != "it has ended":
                told(f"{source}: {reason}")
            return
        told(f"{source}: {reason}; it is opened again in {wait:g} s")
        sleep(wait)
        wait = min(2 * wait, LONGEST_WAIT)


class Latest:
    """The last clip that one thread has made, for another to take: an older one that nobody took is passed over."""

    def __init__(self, counts: Counter):
        """There is none yet; `counts["passed"]` grows with each clip that is passed over."""
        self._changed, self._clip, self._ended, self._counts = threading.Condition(), None, False, counts

    def fill(self, clips: Iterator[Stretch]) -> None:
        """Takes clips in, one after the other, until they end."""
        try:
            for clip in clips:
                with self._changed:
                    self._counts["passed"] += self._clip is not None
                    self._clip = clip
                    self._changed.notify()
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()

    def __iter__(self) -> Iterator[Stretch]:
        """Gives the last clip whenever there is another one, and ends with those that are taken in."""
        while True:
            with self._changed:
                while self._clip is None and not self._ended:
                    self._changed.wait(1)  # at times, so that a signal is noticed
                clip, self._clip = self._clip, None
            if clip is None:
                return
            yield clip


def smoothed(
    before: Float[np.ndarray, "class"], now: Float[np.ndarray, "class"], seconds: float, constant: float
) -> Float[np.ndarray, "class"]:
    """Probabilities smoothed over time: the mean of all so far, whose weights fall to 1/e within `constant` seconds.

    Args:
      before: smoothed, some `seconds` ago.
      now: of the last clip.
      constant: 0: `now` alone counts.
    """
    kept = math.exp(-max(0.0, seconds) / constant) if constant else 0.0
    return kept * before + (1 - kept) * now
