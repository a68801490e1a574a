"""The checks of shapes and types while tests run, and a way around them: a user's mistakes meet our own messages."""

from contextlib import contextmanager
from functools import partial
from inspect import isfunction

import jaxtyping
from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

typechecked = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float
wrapped = jaxtyping.jaxtyped


def jaxtyped(function=None, /, **options):
    """jaxtyping's, but for the many functions that say nothing of their arguments: there is nothing to check."""
    if function is None:
        return partial(jaxtyped, **options)
    return function if isfunction(function) and not function.__annotations__ else wrapped(function, **options)


def check(package):
    """Has the functions of a package checked that is not imported yet."""
    jaxtyping.jaxtyped = jaxtyped
    install_import_hook(package, f"{__name__}.typechecked")


@contextmanager
def unchecked_shapes():
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
