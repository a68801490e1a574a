"""What TFDS warns of and is meant to be so, kept to itself."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

# Warnings of TFDS about what is meant to be so: a variant without an entry in its registry, a folder not yet filled.
USUAL = ("Using custom data configuration", "Variant folder %s has no ")


@contextmanager
def usual_warnings_off() -> Iterator[None]:
    """Keeps to itself, in its `with` block, what TFDS warns of whenever a `VideoBuilder` is made and prepared."""
    logger = logging.getLogger("absl")

    def unusual(record):
        return not str(record.msg).startswith(USUAL)

    logger.addFilter(unusual)
    try:
        yield
    finally:
        logger.removeFilter(unusual)
