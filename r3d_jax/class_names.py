"""What a class may be called, so that each name is one line wherever names are written, printed or read."""

import unicodedata
from collections.abc import Iterable, Sequence

from r3d_jax.errors import InputError

# Control characters, line and paragraph separators, and halves of characters, which UTF-8 cannot write.
REFUSED = {"Cc", "Zl", "Zp", "Cs"}


def check_class_names(names: Iterable[str], where: object) -> None:
    """Refuses names that would not come back as they are from a file with a name on each line.

    Args:
      names: of the classes.
      where: the file, folder or argument that they are from, for the message.

    Raises:
      InputError: a name is empty, has blanks at an end, or holds a line break or another control character; it names
        the first.
    """
    for name in names:
        plain = isinstance(name, str) and not any(unicodedata.category(letter) in REFUSED for letter in name)
        if not plain or not name or name != name.strip():
            raise InputError(
                f"the class name {name!r} of {where} must be one line without control characters and without blanks at "
                "its ends; rename the class"
            )


def joined(names: Iterable[str], class_names: Sequence[str]) -> str:
    """Some of the `class_names` in one cell, with ; between them or, where a class has that in its name, | or a tab."""
    mark = next(mark for mark in ";|\t" if not any(mark in name for name in class_names))
    return mark.join(names)


def names_in(text: str) -> tuple[str, ...]:
    r"""The names in a text of one on each line, which "\n" alone ends: `str.splitlines` would break U+2028 as well."""
    return tuple(text.removesuffix("\n").split("\n")) if text else ()
