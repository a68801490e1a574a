"""python -m r3d_jax.server.decoder: reads videos for the server, one after the other, in a process that may die.

The operating system holds it to a limit of memory and of time. It imports no JAX: it is there in a quarter of a second
and small. Questions come on its standard input, answers leave on its standard output.
"""

import errno
import io
import json
import math
import os
import resource
import struct
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from r3d_jax.server.question import Question, ask
from r3d_jax.video.clips import ClipSpec

MEMORY = 640  # MiB that one video may take, its file included
HEAD = struct.Struct("<IQ")  # bytes of the JSON and of the bytes that follow it


def head(facts: Mapping[str, Any], size: int) -> bytes:
    """The beginning of a message: facts as JSON, and how many bytes follow them."""
    text = json.dumps(facts).encode()
    return HEAD.pack(len(text), size) + text


def question_of(facts: Mapping[str, Any], pixels: bytes) -> Question:
    """The question in a decoder's answer, from its facts and the bytes that follow them.

    Raises:
      ValueError: the answer tells why there is none; the message is the reason.
    """
    if "error" in facts:
        raise ValueError(facts["error"])
    shapes = facts["views"], facts["along"]
    views, along = np.split(np.frombuffer(pixels, np.uint8), [math.prod(shapes[0])])
    times = [np.array(facts[name], np.float64) for name in ("view_seconds", "along_seconds")]
    return Question(views.reshape(shapes[0]), along.reshape(shapes[1]), *times, facts["frames"], facts["seconds"])


def run(source: io.BufferedIOBase, sink: io.BufferedIOBase) -> None:
    """Answers the questions that come from `source` until there are no more.

    A question is `head({"clip": ..., "timeline": ..., "seconds": ...}, size)` and a file's bytes; `seconds` are those
    of the processor that it may take before the operating system ends the process.
    """
    while begun := source.read(HEAD.size):
        length, size = HEAD.unpack(begun)
        asked = json.loads(source.read(length))
        limit_time(asked["seconds"])
        for part in _answer(source.read(size), asked):
            sink.write(part)
        sink.flush()


def limit_memory(mib: float) -> None:
    """Lets this process have so many MiB more than it has; what goes beyond is refused by the operating system."""
    held = 1024 * int(_status().partition("VmData:")[2].split()[0])
    _lower(resource.RLIMIT_DATA, held + int(mib * 2**20))


def limit_time(seconds: float) -> None:
    """Lets this process use the processor for so many seconds more, rounded up, before the operating system ends it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime + seconds))


def _answer(data, asked):
    """The parts of a message."""
    clip = ClipSpec(**asked["clip"] | {"train_sizes": tuple(asked["clip"]["train_sizes"])})
    try:
        found = ask(data, clip, timeline=asked["timeline"])
    except MemoryError:
        return [head({"error": _TOO_LARGE}, 0)]
    except ValueError as error:  # FFmpeg's own words are those of the C library
        return [head({"error": _TOO_LARGE if os.strerror(errno.ENOMEM) in str(error) else str(error)}, 0)]
    arrays = found.views, found.along
    facts = found._asdict() | {"views": found.views.shape, "along": found.along.shape}
    facts |= {name: facts[name].tolist() for name in ("view_seconds", "along_seconds")}
    return [head(facts, sum(x.nbytes for x in arrays)), *(np.ascontiguousarray(x).data for x in arrays if x.size)]


_TOO_LARGE = f"decoding it takes more than {MEMORY} MiB of memory; send smaller frames, or a part of it"


def _status() -> str:
    """What Linux tells of this process; other systems tell nothing."""
    try:
        with open("/proc/self/status") as file:
            return file.read()
    except FileNotFoundError:
        return "VmData: 0"


def _lower(kind, value):
    """Only the soft limit: the next video's may be higher again."""
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


if __name__ == "__main__":
    limit_memory(MEMORY)
    _lower(resource.RLIMIT_CORE, 0)  # nothing that was sent is written to a disk
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer
    run(sys.stdin.buffer, answers)
