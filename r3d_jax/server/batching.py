"""What several requests wait for, computed together."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np


class Batcher:
    """Calls a function of arrays for all who wait for it together, in a thread of its own; to be awaited.

    The function takes arrays with as many rows each and gives an array with a row for each of theirs. What waits at a
    time and has rows of one shape runs together. While one batch runs, the next one gathers: nobody waits for others
    to come. An error of the function reaches all whose rows were in that batch, and no others.
    """

    def __init__(self, function: Callable, most: int):
        """`function` is called with at most `most` rows at a time; a caller who brings more is served in parts."""
        self._function, self._most = function, most
        self._waiting: list[tuple[tuple, tuple, asyncio.Future]] = []  # shapes, arrays, where the result goes
        self._thread = ThreadPoolExecutor(1)
        self._task: asyncio.Task | None = None  # runs batches while anyone waits
        self._busy: Future | None = None  # the latest batch

    @property
    def busy(self) -> bool:
        """Whether the function is being called, which nothing but the end of this process can stop."""
        return bool(self._busy and self._busy.running())

    async def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        """The rows that the function gives for those of `arrays`, which have as many each."""
        parts = [[x[i : i + self._most] for x in arrays] for i in range(0, len(arrays[0]), self._most)]
        return np.concatenate(await asyncio.gather(*map(self._wait_for, parts)))

    async def _wait_for(self, arrays):
        future = asyncio.get_running_loop().create_future()
        job = tuple(x.shape[1:] for x in arrays), arrays, future
        self._waiting.append(job)
        if not self._task or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            return await future
        except asyncio.CancelledError:  # who leaves takes its arrays along
            self._waiting = [each for each in self._waiting if each is not job]
            raise

    async def _run(self):
        while batch := self._next_batch():
            together = [np.concatenate(column) for column in zip(*(arrays for arrays, _ in batch))]
            try:
                self._busy = self._thread.submit(self._function, *together)
                rows = await asyncio.wrap_future(self._busy)
            except Exception as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for arrays, future in batch:
                its, rows = rows[: len(arrays[0])], rows[len(arrays[0]) :]
                if not future.done():
                    future.set_result(its)

    def _next_batch(self):
        """(arrays, future) of those that wait longest and of all others that fit with them."""
        batch, left, count = [], [], 0
        for shapes, arrays, future in self._waiting:
            if shapes == self._waiting[0][0] and count + len(arrays[0]) <= self._most:
                batch.append((arrays, future))
                count += len(arrays[0])
            else:
                left.append((shapes, arrays, future))
        self._waiting = left
        return batch
