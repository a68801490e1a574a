"""What the C library does with memory that is freed: it keeps it for the next step, or gives it back to the system."""

import ctypes
from contextlib import suppress

# Parameters of glibc's `mallopt` (malloc.h), and the largest value that they take.
_ARENAS, _MAPPED_FROM, _TRIMMED_FROM, _LARGEST = -8, -3, -1, 2**31 - 1


def keep_freed_memory() -> None:
    """Has the C library keep freed memory, where it is glibc; to be called before other threads begin.

    Every step of a network on a CPU allocates hundreds of MiB and frees them. Given back and asked for again, each page
    is cleared by the system each time: a twentieth of a training step's work, a tenth of one clip's forward pass.
    """
    with suppress(OSError, AttributeError, TypeError):  # Windows, macOS and musl have no such call
        mallopt = ctypes.CDLL(None).mallopt
        # Arenas of other threads than the first hold 64 MiB at most, and map what is larger.
        for parameter, value in ((_ARENAS, 1), (_MAPPED_FROM, _LARGEST), (_TRIMMED_FROM, _LARGEST)):
            mallopt(parameter, value)


def give_memory_back() -> None:
    """Returns what the C library keeps of freed memory to the system, where it can: hundreds of MiB after compiling."""
    with suppress(OSError, AttributeError, TypeError):  # likewise
        ctypes.CDLL(None).malloc_trim(0)
