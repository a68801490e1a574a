"""Processes that read videos for the server: one that dies costs one request, and another takes its place."""

import asyncio
import json
import os
import signal
import sys
from collections import deque
from dataclasses import asdict

from r3d_jax.server.decoder import HEAD, head, question_of
from r3d_jax.server.question import Question
from r3d_jax.video.clips import ClipSpec


class Decoders:
    """Up to `most` processes, each of which reads one video at a time; they are started when they are needed.

    Attributes:
      lost: how many have died or had to be killed.
    """

    def __init__(self, most: int):
        """No process is started yet."""
        self._turns = asyncio.Semaphore(most)
        self._idle: list[asyncio.subprocess.Process] = []
        self.lost = 0

    async def __call__(self, parts: deque[bytes], clip: ClipSpec, *, timeline: bool, seconds: float) -> Question:
        """Reads the clips of a video in one of the processes.

        Whoever stops waiting, by a timeout or because the client has gone, ends the process and what it was at.

        Args:
          parts: the file's bytes; they are gone once they have been handed on.
          clip, timeline: as `ask` takes them.
          seconds: of the processor that the process may take.

        Raises:
          ValueError: the video cannot be read, or reading it has ended the process; the message is the reason.
        """
        async with self._turns:
            process = await self._take()
            try:
                facts, pixels = await _exchange(process, parts, clip, timeline, seconds)
            except (EOFError, ConnectionError):
                raise ValueError(_why(await process.wait(), seconds)) from None
            except BaseException:
                process.kill()
                await process.wait()
                raise
            finally:
                self.lost += process.returncode is not None
                if process.returncode is None:
                    self._idle.append(process)
            return question_of(facts, pixels)

    async def close(self) -> None:
        """Ends the processes that wait for work."""
        while self._idle:
            process = self._idle.pop()
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def _take(self):
        while self._idle:
            process = self._idle.pop()
            if process.returncode is None:
                return process
            self.lost += 1
        # Linear algebra's threads would only take memory; and a session of its own keeps Ctrl-C from it.
        path = os.pathsep.join(each or os.getcwd() for each in sys.path)
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "r3d_jax.server.decoder"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,
            limit=2**20,
        )


async def _exchange(process, parts, clip, timeline, seconds):
    facts = {"clip": asdict(clip), "timeline": timeline, "seconds": seconds}
    process.stdin.write(head(facts, sum(map(len, parts))))
    while parts:
        process.stdin.write(parts.popleft())
        await process.stdin.drain()
    length, size = HEAD.unpack(await process.stdout.readexactly(HEAD.size))
    facts = await process.stdout.readexactly(length)
    return json.loads(facts), await process.stdout.readexactly(size)


def _why(status, seconds):
    if status == -signal.SIGXCPU:
        return f"decoding it takes more than {seconds:g} s; send a part of it, or smaller frames"
    told = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    return f"decoding it has ended the decoder ({told}); encode it again"
