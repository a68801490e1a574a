"""The checks of shapes and types while tests run, and a way around them: a user's mistakes meet our own messages."""

from contextlib import contextmanager

import jaxtyping
from beartype import BeartypeConf, beartype

typechecked = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float


@contextmanager
def unchecked_shapes():
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
