"""oneDNN's library by its C interface: descriptions of arrays, and primitives."""

import ctypes
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

from r3d_jax.models.onednn_package import library

TYPES = {"bfloat16": 2, "float32": 3}
BYTES = {"bfloat16": 2, "float32": 4}
ANY = 1  # a format that the primitive chooses
FORWARD, TRAINING = 96, 64  # kinds of values: of which no gradient is asked, and others
DIRECT, RELU, ADD = 1, 0x20, 0x1FFF0  # algorithms
SOURCE, DESTINATION, WEIGHTS, BIAS, SCRATCHPAD = 1, 17, 33, 41, 80  # arguments
DIFF_SOURCE, DIFF_DESTINATION, DIFF_WEIGHTS = 129, 145, 161
ASKED = {WEIGHTS: 131, DIFF_WEIGHTS: 132, SCRATCHPAD: 136}  # queries for descriptions
AXES, STRIDES, PADDED, BLOCK_COUNT, BLOCKS, BLOCKED = 256, 14, 260, 263, 264, 265  # queries of descriptions


class Geometry(NamedTuple):
    """Of a convolution, or of its gradient.

    Attributes:
      source, kernel, destination: handles of the descriptions of the three arrays, or of their gradients.
      strides, low, high: of each axis; low and high are the zeros before and after it.
    """

    source: int
    kernel: int
    destination: int
    strides: Sequence[int]
    low: Sequence[int]
    high: Sequence[int]


def _made(function, *arguments):
    """The handle that a function of the library makes.

    Raises:
      NotImplementedError: oneDNN has nothing of the kind.
      RuntimeError: it has failed otherwise.
    """
    handle = ctypes.c_void_p()
    _check(function, ctypes.byref(handle), *arguments)
    return handle.value


def _check(function, *arguments):
    arguments = [ctypes.c_void_p(each) if isinstance(each, int | None) else each for each in arguments]
    status = getattr(library(), f"dnnl_{function}")(*arguments)
    if status == 3:
        raise NotImplementedError(f"oneDNN has no such {function}")
    if status:
        raise RuntimeError(f"oneDNN's {function} failed with status {status}")


@cache
def engine() -> int:
    """oneDNN's handle of the processor."""
    return _made("engine_create", 1, ctypes.c_size_t(0))


@cache
def stream() -> int:
    """What primitives run in, one after the other."""
    return _made("stream_create", engine(), 1)


def _dims(values):
    return (ctypes.c_int64 * 12)(*values)


def described(dims: Sequence[int], strides: Sequence[int] | None, dtype: str) -> int:
    """An array's description; without strides, which are in elements, its order is for a primitive to choose."""
    form = ("strides", _dims(strides)) if strides else ("tag", ANY)
    return _made(f"memory_desc_create_with_{form[0]}", len(dims), _dims(dims), TYPES[dtype], form[1])


def byte_count(description: int) -> int:
    """How much memory an array takes."""
    function = library().dnnl_memory_desc_get_size
    function.restype = ctypes.c_size_t
    return function(ctypes.c_void_p(description))


def order(description: int) -> tuple:
    """What tells the order of an array from that of others."""

    def told(query, kind):
        value = kind()
        _check("memory_desc_query", description, query, ctypes.byref(value))
        return value

    axes, blocks = (told(query, ctypes.c_int).value for query in (AXES, BLOCK_COUNT))
    arrays = {STRIDES: axes, PADDED: axes, BLOCKS: blocks, BLOCKED: blocks}
    return tuple(tuple(told(query, ctypes.POINTER(ctypes.c_int64))[:count]) for query, count in arrays.items())


def memory(description: int) -> int:
    """Memory of an array, which lies nowhere yet."""
    return _made("memory_create", description, engine(), None)


def asked(operation: int, argument: int) -> int:
    """An operation's description of an argument."""
    function = library().dnnl_primitive_desc_query_md
    function.restype = ctypes.c_void_p
    return function(ctypes.c_void_p(operation), ASKED[argument], 0)


def bias(features: int) -> int:
    """Description of a bias, one for each feature."""
    return described((features,), (1,), "float32")


def behind(place: int) -> int:
    """The argument that is added behind a convolution, after `place` other things that follow it."""
    return (place + 1) << 15 | 2


def _attributes(*, summed=False, added=(), relu=False):
    """What follows a primitive; its working memory is the caller's."""
    attributes, following = _made("primitive_attr_create"), _made("post_ops_create")
    _check("primitive_attr_set_scratchpad_mode", attributes, 1)
    if summed:
        _check("post_ops_append_sum", following, ctypes.c_float(1), 0, 0)
    for each in added:
        _check("post_ops_append_binary", following, ADD, each)
    if relu:
        _check("post_ops_append_eltwise", following, RELU, ctypes.c_float(0), ctypes.c_float(0))
    _check("primitive_attr_set_post_ops", attributes, following)
    return attributes


@cache
def primitive(operation: int) -> int:
    """What runs an operation; its code is made here."""
    return _made("primitive_create", operation)


def reorder(source: int, destination: int) -> int:
    """The operation that puts an array in another order, and makes it of another type."""
    return _made("reorder_primitive_desc_create", source, engine(), destination, engine(), _attributes())


def forward(of: Geometry, bias: int | None = None, *, inference: bool = True, **following: bool | Sequence[int]) -> int:
    """The operation that computes a convolution's values.

    Args:
      bias: its description; None: there is none.
      inference: whether no gradient will be asked for.
      following: `summed`: whether what lies at the destination is added; `added`: descriptions of what is added then;
        `relu`: whether a ReLU comes last.
    """
    given = (FORWARD if inference else TRAINING, DIRECT, of.source, of.kernel, bias, of.destination)
    attributes = _attributes(**following)
    return _made("convolution_forward_primitive_desc_create", engine(), *given, *_axes(of), attributes)


def _axes(of):
    """Strides, dilations and zeros."""
    return map(_dims, (of.strides, [0] * len(of.strides), of.low, of.high))


def backward(of: Geometry, hint: int, *, kernel: bool) -> int:
    """The operation that computes the gradient of a convolution's kernel, or else of its source.

    Args:
      hint: the operation that computes its values.
    """
    arrays = (of.source, of.kernel, *[None] * kernel, of.destination)
    function = f"convolution_backward_{'weights' if kernel else 'data'}_primitive_desc_create"
    return _made(function, engine(), DIRECT, *arrays, *_axes(of), hint, _attributes())


def run(operation: int, arrays: Mapping[int, tuple[int, int]]) -> None:
    """Runs an operation on {argument: (description, address)}."""
    description = asked(operation, SCRATCHPAD)
    scratch = ctypes.create_string_buffer(byte_count(description))
    arrays = {**arrays, SCRATCHPAD: (description, ctypes.addressof(scratch))}
    handles = {argument: memory(description) for argument, (description, _) in arrays.items()}
    for handle, (_, address) in zip(handles.values(), arrays.values()):
        _check("memory_set_data_handle", handle, address)
    _check("primitive_execute", primitive(operation), stream(), len(handles), arguments(handles))
    for handle in handles.values():
        _check("memory_destroy", handle)


class Argument(ctypes.Structure):
    """What oneDNN calls `dnnl_exec_arg_t`."""

    _fields_ = [("name", ctypes.c_int), ("memory", ctypes.c_void_p)]


def arguments(given: Mapping[int, int]) -> ctypes.Array:
    """{argument: handle of a memory} as oneDNN takes them."""
    return (Argument * len(given))(*given.items())
