"""One function over many files, in threads, with the results in order and few of them in memory."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tqdm import tqdm


def in_order(
    function: Callable, items: Sequence[Any], *, label: str, workers: int = 0, leave: bool = True
) -> Iterator[Any]:
    """Calls a function with each of the items in threads, and yields the results in the order of the items.

    An error of the function is raised where its item stands.

    Args:
      function: of one item.
      label: of the progress bar, which only a terminal shows.
      workers: threads; 0: one for each core. Four results for each are computed ahead.
      leave: whether the bar stays when it is full.
    """
    workers = workers or os.cpu_count() or 1
    ahead = 4 * workers  # what is held in memory at once
    bar = tqdm(total=len(items), desc=label, unit="video", disable=None, leave=leave)
    with ThreadPoolExecutor(workers) as pool, bar:
        pending = [pool.submit(function, item) for item in items[:ahead]]
        for i in range(len(items)):
            found = pending[i].result()
            pending[i] = None
            if i + ahead < len(items):
                pending.append(pool.submit(function, items[i + ahead]))
            bar.update()
            yield found
