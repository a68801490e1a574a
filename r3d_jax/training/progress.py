"""What a run shows while it works: a bar on a terminal, plain lines in a log file. The first process shows it."""

import sys

from tqdm import tqdm

from r3d_jax.training.processes import is_first


class Progress:
    """Counts `total` steps from `done`; a context."""

    def __init__(self, total: int, done: int = 0, *, unit: str, label: str):
        self._total, self._label = total, label
        hidden = None if is_first() else True  # None: where there is no terminal
        self._bar = tqdm(
            total=total, initial=done, unit=unit, desc=label, leave=False, disable=hidden, dynamic_ncols=True
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._bar.close()

    def advance(self, steps: int = 1) -> None:
        """Moves the bar on."""
        self._bar.update(steps)

    def show(self, step: int, text: str) -> None:
        """`text` beside the bar, or on a line of its own where there is none."""
        if not is_first():
            return
        if self._bar.disable:
            print(f"{self._label} {step}/{self._total}: {text}", flush=True)
        else:
            self._bar.set_postfix_str(text)


def say(text: str) -> None:
    """A line that stays, above the bar where there is one."""
    if is_first():
        tqdm.write(text, file=sys.stdout)
        sys.stdout.flush()
