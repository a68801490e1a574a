import asyncio
import threading

import numpy as np
import pytest

from r3d_jax.server.batching import Batcher


def test_what_waits_together_runs_together_and_each_gets_its_own():
    started, release, seen = threading.Event(), threading.Event(), []

    def double(x):
        seen.append(len(x))
        if len(seen) == 1:
            started.set()
            release.wait(10)
        return 2 * x

    async def ask():
        batcher = Batcher(double, most=8)
        first = asyncio.create_task(batcher(np.full((1, 2), 7)))
        await asyncio.to_thread(started.wait)
        others = [asyncio.create_task(batcher(np.full((2, 2), i))) for i in range(3)]
        other_shape = asyncio.create_task(batcher(np.ones((1, 3))))
        await asyncio.sleep(0)
        release.set()
        return [await first, *[await other for other in others], await other_shape]

    first, *others, other_shape = asyncio.run(ask())
    assert (first == 14).all() and (other_shape == np.full((1, 3), 2)).all()
    assert all((rows == np.full((2, 2), 2 * i)).all() for i, rows in enumerate(others))
    assert seen == [1, 6, 1]


def test_many_rows_are_served_in_parts():
    seen = []

    def plus_one(x):
        seen.append(len(x))
        return x + 1

    rows = asyncio.run(Batcher(plus_one, most=3)(np.arange(8)))
    assert rows.tolist() == list(range(1, 9)) and max(seen) <= 3


def test_a_failure_reaches_those_who_waited_for_it_and_no_others():
    def fussy(x):
        if (x < 0).any():
            raise ArithmeticError("negative")
        return x

    async def ask():
        batcher = Batcher(fussy, most=1)
        with pytest.raises(ArithmeticError):
            await batcher(np.array([-1]))
        return await batcher(np.array([1]))

    assert asyncio.run(ask()) == [1]


def test_who_has_gone_is_not_computed():
    started, release, seen = threading.Event(), threading.Event(), []

    def note(x):
        seen.append(int(x[0]))
        started.set()
        release.wait(10)
        return x

    async def ask():
        batcher = Batcher(note, most=1)
        first = asyncio.create_task(batcher(np.array([1])))
        await asyncio.to_thread(started.wait)
        gone, last = (asyncio.create_task(batcher(np.array([i]))) for i in (2, 3))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        assert [arrays[0].tolist() for _, arrays, _ in batcher._waiting] == [[3]]  # nor held in memory
        assert batcher.busy
        release.set()
        await asyncio.gather(first, last)
        assert not batcher.busy

    asyncio.run(ask())
    assert seen == [1, 3]
