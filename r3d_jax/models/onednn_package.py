"""The package that oneDNN comes in: whether it is here, and its library.

It is onednn-cpu-gomp, the last whose build is for processors alone; what XLA carries of oneDNN is its own.
"""

import ctypes
import importlib.metadata
import os
import sys
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module

PACKAGE = "onednn-cpu-gomp"
SPINS = "GOMP_SPINCOUNT"


@cache
def lacking() -> str | None:
    """Why oneDNN cannot be called here; None where it can."""
    try:
        library()
        import_module("llvmlite")
    except importlib.metadata.PackageNotFoundError:
        return f"the package {PACKAGE} is not installed"
    except (ImportError, OSError) as error:
        return f"{PACKAGE} and llvmlite, which calls it, cannot be loaded ({error})"
    return None


@cache
def library() -> ctypes.CDLL:
    """The library.

    Raises:
      ImportError: the package is not installed, or without the library.
      OSError: the library cannot be loaded.
    """
    files = importlib.metadata.files(PACKAGE) or []
    path = next((each.locate() for each in files if each.name == "libdnnl.so.3"), None)
    if path is None:
        raise ImportError(f"{PACKAGE} has no libdnnl.so.3 for {sys.platform}")
    with _few_spins():
        return ctypes.CDLL(str(path))


@contextmanager
def _few_spins():
    """OpenMP's threads, which read this once, soon sleep then: XLA's, which come next, need the processor."""
    if own := not {SPINS, "OMP_WAIT_POLICY"} & os.environ.keys():
        os.environ[SPINS] = "1000"  # in place of 300,000
    try:
        yield
    finally:
        if own:
            del os.environ[SPINS]


def release() -> str:
    """The release of the package, empty where it is not installed."""
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(PACKAGE)
    return ""
