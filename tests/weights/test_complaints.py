import sys

import pytest

from r3d_jax.weights.complaints import late_complaints_unheard


def complain(text):
    """As a thread of a library in another language does."""
    error = RuntimeError(text)
    sys.excepthook(RuntimeError, error, None)


def test_of_a_failed_write_the_exception_alone_is_heard(capsys):
    hooks = sys.excepthook, sys.unraisablehook
    with pytest.raises(ValueError, match="full"), late_complaints_unheard():
        complain("Event loop is closed")
        complain("something else")
        raise ValueError("full")
    assert capsys.readouterr().err.strip() == "RuntimeError: something else"
    assert (sys.excepthook, sys.unraisablehook) == hooks
