"""Which forms of oneDNN's convolution hold on this machine, found out once, in a process that may end.

oneDNN is called in machine code, where a mistake, or a release of XLA with another interface, would give other values
or end the process. So a child process runs every form beside XLA's plain convolution, and what holds is kept in the
folder of the compilation cache, for each release of jaxlib and oneDNN, each processor and each version of the call.
"""

import json
import os
import platform
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

import jaxlib

from r3d_jax.compiling import cache_folder
from r3d_jax.files import write_text
from r3d_jax.models import onednn_package, processor

SWITCH = "R3D_JAX_ONEDNN"  # variable of the environment; 0: oneDNN is not used
# A convolution's values, and the gradients of its clips and of its kernel; likewise of groups; and its values with what
# follows it.
KINDS = ("y", "x", "k", "grouped y", "grouped x", "grouped k", "fused y", "grouped fused y")
CHILD = (sys.executable, "-P", "-m", "r3d_jax.models.onednn_forms")
SECONDS = 60  # for all forms, which take five or six
PARTS = ("", "_call", "_code", "_forms", "_frames", "_library", "_package", "_plan", "_probe")
SOURCES = ("conv3d.py", "window.py", *(f"onednn{part}.py" for part in PARTS))


def holds(dtype: str, kind: str) -> bool:
    """Whether a form of oneDNN's convolution gives the plain convolution's values here; once, it takes some seconds.

    Args:
      dtype: of the operands, "float32" or "bfloat16"; this one holds only where the processor multiplies it by itself.
      kind: one of KINDS.
    """
    return not _lacking() and f"{dtype} {kind}" in _holding(processor.multiplies_bfloat16())


def describe(dtype: str) -> str:
    """A line on what convolutions of activations of type `dtype` run in on this machine's processor."""
    short = dtype == "bfloat16" and not holds(dtype, KINDS[0])
    return f"{_describe()}; activations are {dtype}{', computed in float32 on this processor' if short else ''}"


def _describe():
    if lacking := _lacking():
        return f"convolutions run as sums of 2-D ones, at 0.6 of oneDNN's speed: {lacking}"
    bfloat16 = processor.multiplies_bfloat16()
    if lacking := [form for form in _forms(bfloat16) if form not in _holding(bfloat16)]:
        what = "all" if len(lacking) == len(_forms(bfloat16)) else ", ".join(lacking)
        again = f"; remove {path} to try again" if (path := _record(bfloat16)) else ""
        less = "in oneDNN, but what follows them by itself,"
        if any("fused" not in form for form in lacking):
            less = "as sums of 2-D ones, at 0.6 of the speed,"
        return (
            f"convolutions run {less} where oneDNN's do not hold in jaxlib {jaxlib.__version__} on this processor: "
            f"{what}{again}"
        )
    return f"convolutions run in oneDNN ({SWITCH}=0 turns it off)"


def _lacking():
    """Why there are no convolutions by oneDNN here; None where there are."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "oneDNN's are for Linux on x86-64"
    if os.environ.get(SWITCH) == "0":
        return f"{SWITCH} is 0"
    return onednn_package.lacking()


def _forms(bfloat16):
    return tuple(f"{dtype} {kind}" for dtype in ("float32", *["bfloat16"] * bfloat16) for kind in KINDS)


@cache
def _holding(bfloat16):
    """The forms that hold, from what an earlier process has kept, or by trying."""
    path = _record(bfloat16)
    if path and (found := _read(path)) is not None:
        return found
    found, sure = _try(_forms(bfloat16))
    if path and sure:
        told = {"jaxlib": jaxlib.__version__, "processor": processor.name()}
        told["forms"] = {form: form in found for form in _forms(bfloat16)}
        with suppress(OSError):  # then the next process tries again
            write_text(path, f"{json.dumps(told, indent=2)}\n")
    return found


def _record(bfloat16):
    """The file for all that it depends on which forms hold; None where there is no place for it."""
    try:
        code = [(Path(__file__).parent / name).read_text(encoding="utf-8") for name in SOURCES]
        facts = json.dumps([jaxlib.__version__, onednn_package.release(), processor.name(), bfloat16, *code])
        return cache_folder() / f"onednn-{sha256(facts.encode()).hexdigest()[:16]}.json"
    except (OSError, RuntimeError):
        return None


def _read(path):
    try:
        forms = json.loads(path.read_text(encoding="utf-8"))["forms"]
        return frozenset(form for form, held in forms.items() if held is True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _try(forms):
    """The forms that hold, and whether this is sure: not where somebody else has ended the child."""
    found, left, end = [], list(forms), time.monotonic() + SECONDS
    while left:
        told, ended = _run_child(left, end)
        found += [form for form, held in told.items() if held]
        if ended:
            return frozenset(found), False
        left = left[len(told) + 1 :]  # the form that the child was at when it ended does not hold
        # Nor do the others of a type whose first one does not; each could take a child of its own to tell.
        left = [form for form in left if f"{form.split()[0]} {KINDS[0]}" in (*found, *left)]
    return frozenset(form for form in found if f"{form.split()[0]} {KINDS[0]}" in found), True


def _run_child(forms, end):
    """{form: whether it holds} of those that a child got through by `end`, and whether somebody else has ended it."""
    path = os.pathsep.join(each or os.getcwd() for each in sys.path)
    environment = {"PYTHONPATH": path, "JAX_PLATFORMS": "cpu", "JAX_ENABLE_COMPILATION_CACHE": "false"}
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    try:
        # A session of its own keeps Ctrl-C from it, which would look like a form that ends the process.
        done = subprocess.run(
            [*CHILD, *forms],
            env=os.environ | environment,
            timeout=max(0, end - time.monotonic()),
            start_new_session=True,
            **streams,
        )
        output, status = done.stdout, done.returncode
    except subprocess.TimeoutExpired as error:
        output, status = error.stdout or b"", 0
    except OSError:
        return {}, True
    lines = (line.partition(": ") for line in output.decode(errors="replace").splitlines())
    told = {form: answer == "holds" for form, _, answer in lines if form in forms}
    return told, status in (-signal.SIGINT, -signal.SIGTERM, -signal.SIGKILL)
