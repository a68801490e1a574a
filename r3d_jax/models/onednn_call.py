"""XLA's call of oneDNN's primitives, by XLA's public foreign function interface.

A program holds the key of a plan alone: a number, the same in every process. So programs can be kept from one process
to the next, as long as each makes its plans before it runs a program, which it does in lowering it.
"""

import ctypes
import os
from collections.abc import Mapping, Sequence
from functools import cache
from threading import Lock
from typing import Any, NamedTuple

import jax
import numpy as np

from r3d_jax.models import onednn_library, onednn_package
from r3d_jax.models.onednn_code import CODE, ELSEWHERE, FAILED

NAME = "r3d_jax_onednn"  # of XLA's target


class Place(NamedTuple):
    """Where a memory of oneDNN's lies when its plan runs.

    Attributes:
      memory: its handle.
      array: which of the call's operands, and after them its results.
      offset: from the array's beginning, in bytes.
    """

    memory: int
    array: int
    offset: int


class Step(NamedTuple):
    """A primitive to be run.

    Attributes:
      primitive: its handle.
      arguments: {number of oneDNN's for what it is: handle of a memory}.
    """

    primitive: int
    arguments: Mapping[int, int]


class _Place(ctypes.Structure):
    _fields_ = [("memory", ctypes.c_void_p), ("array", ctypes.c_int64), ("offset", ctypes.c_int64)]


class _Step(ctypes.Structure):
    _fields_ = [
        ("primitive", ctypes.c_void_p),
        ("count", ctypes.c_int64),
        ("arguments", ctypes.POINTER(onednn_library.Argument)),
    ]


class _Plan(ctypes.Structure):
    _fields_ = [
        ("next", ctypes.c_void_p),
        ("key", ctypes.c_int64),
        ("place_count", ctypes.c_int64),
        ("places", ctypes.POINTER(_Place)),
        ("step_count", ctypes.c_int64),
        ("steps", ctypes.POINTER(_Step)),
    ]


_lock = Lock()


@cache
def first_plan() -> ctypes.c_void_p:
    """Where the code finds the first of the plans; XLA knows the code then, as its target NAME."""
    import llvmlite.binding as llvm  # which is not installed everywhere

    library = onednn_package.library()
    text = CODE.format(
        elsewhere=ELSEWHERE,
        elsewhere_size=len(ELSEWHERE) + 1,
        failed=FAILED,
        failed_size=len(FAILED) + 1,
        set_handle=_address(library.dnnl_memory_set_data_handle),
        execute=_address(library.dnnl_primitive_execute),
        stream=onednn_library.stream(),
    )
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(opt=2)
    code = llvm.create_mcjit_compiler(llvm.parse_assembly(text), machine)
    code.finalize_object()
    immortal(code)
    _check(ctypes.CFUNCTYPE(ctypes.c_int)(code.get_function_address("start"))())
    handler = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(code.get_function_address("handler"))
    jax.ffi.register_ffi_target(NAME, jax.ffi.pycapsule(handler), platform="cpu", api_version=1)
    return ctypes.c_void_p.from_address(code.get_global_value_address("plans"))


def _check(status):
    if status:
        raise OSError(status, f"oneDNN's thread cannot be started: {os.strerror(status)}; R3D_JAX_ONEDNN=0 needs none")


def _address(function):
    return ctypes.cast(function, ctypes.c_void_p).value


def immortal(thing: Any) -> Any:
    """`thing`, kept for good: a program may still run when Python ends, which would take from it what it reads."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
    return thing


def add_plan(key: int, places: Sequence[Place], steps: Sequence[Step]) -> None:
    """Has calls with this key run these steps, on memory at these places."""

    def of_step(step):
        arguments = immortal(onednn_library.arguments(step.arguments))
        return _Step(step.primitive, len(arguments), arguments)

    places = immortal((_Place * len(places))(*places))
    steps = immortal((_Step * len(steps))(*map(of_step, steps)))
    plan = immortal(_Plan(None, key, len(places), places, len(steps), steps))
    with _lock:
        first = first_plan()
        plan.next = first.value
        first.value = ctypes.addressof(plan)


def call(key: int, results: Sequence[jax.ShapeDtypeStruct], *operands: jax.Array) -> list[jax.Array]:
    """What the plan of this key gives, of arrays in row-major order; within a traced function."""
    return jax.ffi.ffi_call(NAME, results)(*operands, plan=np.int64(key))
