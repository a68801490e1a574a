import ctypes
import subprocess
import sys

import pytest

from r3d_jax.freed_memory import give_memory_back, keep_freed_memory

# Pages that a thread's arrays of 128 MB take from the system, once as many have been used and freed before.
CHILD = """
import resource, threading
import numpy as np
from r3d_jax.freed_memory import give_memory_back, keep_freed_memory

def pages(times):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        np.empty(2**24).fill(1)
    found.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

found = []
{}
for times in (1, 3):
    thread = threading.Thread(target=pages, args=(times,))
    thread.start()
    thread.join()
give_memory_back()
print(*found, int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize())
"""


def pages(call):
    """(pages of the first array, of three more, bytes that the process holds after giving memory back)."""
    done = subprocess.run([sys.executable, "-c", CHILD.format(call)], stdout=subprocess.PIPE, text=True, check=True)
    return map(int, done.stdout.split())


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library has no mallopt")
def test_freed_memory_is_kept_and_given_back():
    _, without, _ = pages("")
    _, further, held = pages("keep_freed_memory()")
    assert further < without / 10
    assert held < 2**27


def test_other_c_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    keep_freed_memory()
    give_memory_back()
