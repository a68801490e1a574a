"""What a user's wrong shapes meet: our own messages, not the shape checks of the tests."""

from contextlib import contextmanager

import jaxtyping


@contextmanager
def unchecked_shapes():
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
