import asyncio

import pytest

from r3d_jax.server import body
from r3d_jax.server.body import Limits, Room, read_body, too_large
from r3d_jax.server.request import Refused

LIMITS = Limits(max_mb=1, seconds=20, requests=2)
MB = 2**20


async def chunks_of(*chunks, pause=0.0):
    for chunk in chunks:
        yield chunk
        await asyncio.sleep(pause)


def read(chunks, seconds=20.0, take=lambda _: None):
    return asyncio.run(read_body(chunks, take, seconds))


def test_a_body_is_what_has_come():
    taken = []
    assert list(read(chunks_of(b"one", b"two"), take=taken.append)) == [b"one", b"two"]
    assert taken == [3, 3]
    with pytest.raises(Refused, match="no video: send the bytes") as refused:
        read(chunks_of())
    assert refused.value.status == 400


@pytest.mark.slow
def test_a_body_that_comes_too_slowly_is_refused_and_one_that_keeps_up_is_not(monkeypatch):
    monkeypatch.setattr(body, "GRACE", 0.2)
    with pytest.raises(Refused, match="came at less than 16 kB a second; send it faster") as refused:
        read(chunks_of(b"x", b"y", pause=10))
    assert refused.value.status == 408
    assert len(read(chunks_of(*[bytes(body.RATE)] * 3, pause=0.3))) == 3  # slower than GRACE alone would have


def test_a_body_that_is_late_is_refused():
    with pytest.raises(Refused, match=r"had not arrived after 0.1 s") as refused:
        read(chunks_of(b"x", pause=10), seconds=0.1)
    assert refused.value.status == 408


def test_memory_for_bodies_is_bounded_and_free_again_afterwards():
    room = Room(LIMITS)
    with room.of_one() as one, room.of_one() as other, room.of_one() as third:
        one(MB)
        other(MB // 2)
        third(MB // 4)
        with pytest.raises(Refused, match="too many videos arrive at once; try again") as refused:
            other(MB // 2)
        assert refused.value.status == 503 and room.taken == 7 * MB // 4
        with pytest.raises(Refused, match=str(too_large(LIMITS)).replace("(", ".").replace(")", ".")) as refused:
            one(1)
        assert refused.value.status == 413
    assert room.taken == 0
