"""One setting: its default, its range and its meaning in one place, and the check that holds values against them."""

import dataclasses
import math
import typing
from collections.abc import Callable, Sequence
from typing import Any

from r3d_jax.errors import InputError


def setting(
    default: Any, meaning: str, *, low: float | None = None, high: float | None = None, choices: tuple = ()
) -> Any:
    """A dataclass field with its meaning and what it may be: numbers from `low` to `high`, or one of `choices`."""
    return dataclasses.field(
        default=default, metadata={"meaning": meaning, "low": low, "high": high, "choices": choices}
    )


def check_settings(section: Any, prefix: str) -> None:
    """Raises InputError for the first field of a dataclass of settings that is of another type or out of its range.

    Args:
      section: an instance of a dataclass whose fields are `setting`s.
      prefix: what stands before a field's name in the message, as in `clip.frames`.
    """
    types = typing.get_type_hints(type(section))
    for field in dataclasses.fields(section):
        value, name = getattr(section, field.name), f"{prefix}.{field.name}"
        expected, allowed = types[field.name], field.metadata
        if not _is_a(value, expected):
            kind = getattr(expected, "__name__", None) if isinstance(expected, type) else None
            raise InputError(f"`{name}` (={value!r}) must be of type {kind or expected}")
        if allowed["choices"] and value not in allowed["choices"]:
            *others, last = map(str, allowed["choices"])
            raise InputError(f"`{name}` (={value!r}) must be {', '.join(others)} or {last}")
        for number in value if isinstance(value, tuple | list) else [value]:
            low, high = allowed["low"], allowed["high"]
            if isinstance(number, float) and not math.isfinite(number):
                raise InputError(f"`{name}` (={value}) must be finite")
            if low is not None and number < low:
                raise InputError(f"`{name}` (={value}) must be at least {low}")
            if high is not None and number > high:
                raise InputError(f"`{name}` (={value}) must be at most {high}")


def check_least(**given: tuple[int, int]) -> None:
    """Holds arguments of a call against the least that each may be.

    Args:
      given: (value, least value) under each argument's name.

    Raises:
      InputError: one or more are below it; names them all.
    """
    below = [f"`{name}` (={value}) must be at least {least}" for name, (value, least) in given.items() if value < least]
    if below:
        raise InputError("; ".join(below))


def check_rules(rules: Sequence[tuple[Callable[[Any], bool], str]], values: Any) -> None:
    """Raises InputError with the message of the first rule that does not hold.

    Args:
      rules: pairs of a condition on `values` and the message where it is not met, in which `{c.section.field}` stands
        for a value.
      values: what the rules call `c`.
    """
    for holds, message in rules:
        if not holds(values):
            raise InputError(message.format(c=values))


def _is_a(value, expected):
    if typing.get_origin(expected) is tuple:
        kinds = typing.get_args(expected)
        if not isinstance(value, tuple | list):
            return False
        if kinds[1:] == (...,):
            return all(_is_a(item, kinds[0]) for item in value)
        return len(value) == len(kinds) and all(map(_is_a, value, kinds))
    if expected is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, expected) and (expected is bool or not isinstance(value, bool))
