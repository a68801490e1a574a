"""Signals that ask a run to end, of which the first lets it save its state."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def noted(received: list[int]) -> Iterator[None]:
    """In the `with` block, `received` takes the first signal that asks the process to end; a second ends it at once."""

    def note(number, _):
        received.append(number)
        for each in WATCHED:
            signal.signal(each, signal.SIG_DFL)

    before = {number: signal.signal(number, note) for number in WATCHED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
