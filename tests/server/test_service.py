"""Who is served, who waits and what is held, with decoders that do as they are told."""

import asyncio

import numpy as np
import pytest

from r3d_jax.server.body import Limits
from r3d_jax.server.question import Question
from r3d_jax.server.request import Refused, Wanted
from r3d_jax.server.server import make_app
from r3d_jax.server.service import answer, make_service

ASKED = Wanted(2, True, False)


def service_of(network, decode, **limits):
    service = make_service(network, Limits(**{"max_mb": 1, "seconds": 20, "requests": 1} | limits))
    return service._replace(decoders=decode)


async def arriving(*chunks, until=None):
    for chunk in chunks:
        yield chunk
    if until:
        await until.wait()


async def forever(parts, clip, **_):
    await asyncio.sleep(60)


def test_a_response_has_the_views_and_the_course(network, monkeypatch):
    views, along = (np.zeros((count, 4, 16, 24, 3), np.uint8) for count in (3, 8))
    seen = []

    async def decode(parts, clip, *, timeline, seconds):
        seen.append((b"".join(parts), clip, timeline, 19 < seconds <= 20))
        return Question(views, along, np.arange(3.0), np.arange(8.0), 15, 0.56)

    monkeypatch.setattr("r3d_jax.server.service.make_forward", lambda _, dtype: lambda x: np.zeros((len(x), 3, 3)))
    service = service_of(network, decode)
    found = asyncio.run(answer(service, arriving(b"a ", b"video"), ASKED))
    assert found["top"] == [{"class": name, "probability": 0.333333} for name in network.class_names[:2]]
    assert len(found["timeline"]["seconds"]) == 8
    assert seen == [(b"a video", network.clip, True, True)]
    assert service.room.taken == 0 and not service.taken and not service.busy


def test_a_place_is_taken_once_a_video_is_there_and_free_when_its_sender_leaves(network):
    async def run():
        service, there = service_of(network, forever), asyncio.Event()
        slow = asyncio.create_task(answer(service, arriving(b"sl", b"ow", until=there), ASKED))
        working = asyncio.create_task(answer(service, arriving(b"working"), ASKED))
        while not service.taken:
            await asyncio.sleep(0)
        assert service.room.taken == 11
        with pytest.raises(Refused, match="1 videos are under way already; try again in a moment"):
            await answer(service, arriving(b"another"), ASKED)
        there.set()
        with pytest.raises(Refused, match="1 videos are under way already") as refused:
            await slow
        assert refused.value.status == 503 and service.room.taken == 7
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        assert service.room.taken == 0 and not service.taken

    asyncio.run(run())


def test_why_there_is_no_response_is_told(network):
    async def broken(*_, **__):
        raise ValueError("not a video")

    for decode, seconds, status, told in (
        (broken, 20, 422, "this video cannot be used: not a video"),
        (forever, 0.1, 503, r"no answer after 0\.1 s; send a shorter video, or try again later"),
    ):
        service = service_of(network, decode, seconds=seconds)
        with pytest.raises(Refused, match=told) as refused:
            asyncio.run(answer(service, arriving(b"video"), ASKED))
        assert refused.value.status == status and service.room.taken == 0 and not service.taken


def test_answers_are_computed_in_the_type_that_is_named(network, monkeypatch):
    asked = []
    monkeypatch.setattr("r3d_jax.server.service.make_forward", lambda _, dtype: asked.append(dtype) or np.zeros)
    make_app(network, name="tiny", host="127.0.0.1", limits=Limits(1, 20, 1), dtype="bfloat16")
    assert asked == ["bfloat16"]
