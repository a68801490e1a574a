"""What a run shows while it works: a bar on a terminal, and lines that stay. The first process shows it."""

import sys

from tqdm import tqdm

from r3d_jax.training.processes import is_first

BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]"


class Progress:
    """Counts `total` steps from `done`; a context."""

    def __init__(self, total: int, done: int = 0, *, unit: str, label: str):
        self._total, self._label = total, label
        hidden = None if is_first() else True  # None: where there is no terminal
        shown = {"leave": False, "dynamic_ncols": True, "bar_format": BAR}
        self._bar = tqdm(total=total, initial=done, unit=unit, desc=label, disable=hidden, **shown)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._bar.close()

    def advance(self, steps: int = 1) -> None:
        """Moves the bar on by so many steps."""
        self._bar.update(steps)

    def doing(self, what: str = "") -> None:
        """Says beside the bar's name what it waits for, as in `Training (compiling)`; empty: nothing any more."""
        self._bar.set_description_str(f"{self._label} ({what})" if what else self._label)

    def show(self, step: int, text: str) -> None:
        """A line on `step` that stays, above the bar where there is one."""
        say(f"{self._label} {step}/{self._total}: {text}")


def say(text: str) -> None:
    """A line that stays, above the bar where there is one; printed by the first process alone."""
    if is_first():
        tqdm.write(text, file=sys.stdout)
        sys.stdout.flush()
