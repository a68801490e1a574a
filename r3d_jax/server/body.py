"""The bodies of requests: how slowly they may come, and how many bytes of them are held in memory."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from r3d_jax.server.request import Refused

RATE = 2**14  # bytes a second that a body has to come at, at least
GRACE = 5.0  # seconds that it may stay behind


class Limits(NamedTuple):
    """What requests may take of the machine.

    Attributes:
      max_mb: MiB that one video may have.
      seconds: time that one request may take, from its first byte to its response.
      requests: how many are worked on at a time; further ones are told to come again. While their videos arrive, they
        do not count, but all that is in memory of them is at most so many videos of `max_mb`.
    """

    max_mb: float
    seconds: float
    requests: int

    @property
    def max_bytes(self) -> int:
        """How many bytes one video may have."""
        return int(self.max_mb * 2**20)


class Room:
    """How much of the memory for bodies is taken, by those that arrive and by those that are worked on.

    Attributes:
      taken: bytes.
    """

    def __init__(self, limits: Limits):
        """Room for `limits.requests` of the largest videos."""
        self._limits, self.taken = limits, 0

    @contextmanager
    def of_one(self) -> Iterator[Callable[[int], None]]:
        """For the `with` block of one request: a function that takes bytes for it, all of which are free afterwards.

        The function raises Refused (503) where there is no room for them, and Refused (413) beyond `max_mb`.
        """
        its = 0

        def take(count):
            nonlocal its
            if its + count > self._limits.max_bytes:
                raise too_large(self._limits)
            if self.taken + count > self._limits.requests * self._limits.max_bytes:
                raise Refused(503, "too many videos arrive at once; try again in a moment")
            its += count
            self.taken += count

        try:
            yield take
        finally:
            self.taken -= its


def too_large(limits: Limits) -> Refused:
    """The refusal of a video of too many bytes."""
    return Refused(413, f"more than {limits.max_mb:g} MB, which is the most that is taken (`max_mb`)")


async def read_body(chunks: AsyncIterator[bytes], take: Callable[[int], None], seconds: float) -> deque[bytes]:
    """The bytes of a request's body, in pieces as they came.

    Args:
      take: called with the size of each piece before it is kept.
      seconds: that it may take in all.

    Raises:
      Refused: 400: there are none; 408: not there in time, or slower than RATE; what `take` raises.
    """
    parts, size, clock = deque(), 0, asyncio.get_running_loop().time
    begun = clock()
    try:
        async with asyncio.timeout(min(GRACE, seconds)) as timeout:
            async for chunk in chunks:
                take(len(chunk))
                parts.append(chunk)
                size += len(chunk)
                timeout.reschedule(begun + min(GRACE + size / RATE, seconds))
    except TimeoutError as error:
        if GRACE + size / RATE >= seconds:
            raise Refused(408, f"the video had not arrived after {seconds:g} s") from error
        raise Refused(408, f"the video came at less than {RATE / 1000:.0f} kB a second; send it faster") from error
    if not size:
        raise Refused(400, "no video: send the bytes of its file as the body of the request")
    return parts
