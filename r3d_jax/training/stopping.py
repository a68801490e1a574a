"""Early stopping: whether the tests of a run say that more training no longer helps. Functions of its metrics log."""

from collections.abc import Sequence
from typing import Any

from r3d_jax.training.evaluation import best_by


def best_test(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The row of the test with the highest accuracy (`best_by`), the first of several; None where there is no test."""
    return max(_tests(rows), key=_accuracy, default=None)


def has_ended(rows: Sequence[dict[str, Any]], *, patience: int, after: int = 0) -> bool:
    """Whether the last `patience` tests have brought nothing: no higher accuracy, and no lower loss, than all before.

    Accuracy alone would not do: of few videos it moves in jumps, and stands still while the network still learns.

    Args:
      rows: of a metrics log, in their order.
      patience: tests; 0: never.
      after: step up to which tests do not count as such that bring nothing, as those of a head that is trained alone.
    """
    highest, lowest, without = -1.0, float("inf"), 0
    for row in _tests(rows):
        gained = _accuracy(row) > highest or row["loss"] < lowest
        highest, lowest = max(highest, _accuracy(row)), min(lowest, row["loss"])
        without = 0 if gained or row["step"] <= after else without + 1
    return bool(patience) and without >= patience


def _tests(rows):
    return [row for row in rows if row["kind"] == "eval" and {best_by(row), "loss"} <= row.keys()]


def _accuracy(row):
    return row[best_by(row)]
