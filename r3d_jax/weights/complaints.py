"""What libraries print of a write that has failed, beside the exception that they raise."""

import gc
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from r3d_jax.errors import InputError


@contextmanager
def late_complaints_unheard() -> Iterator[None]:
    """Silences, in the `with` block, complaints of TensorStore's threads that "Event loop is closed".

    After a write that fails, and is raised, they come from the writes that were under way beside it.
    """
    hooks = sys.excepthook, sys.unraisablehook

    def unless_closed(error, hook, *arguments):
        if "Event loop is closed" not in str(error):
            hook(*arguments)

    sys.excepthook = lambda *found: unless_closed(found[1], hooks[0], *found)
    sys.unraisablehook = lambda found: unless_closed(found.exc_value, hooks[1], found)
    try:
        yield
    except Exception as error:
        if not isinstance(error, InputError):
            time.sleep(0.5)  # for those that are still to come
        gc.collect()
        raise
    finally:
        sys.excepthook, sys.unraisablehook = hooks
