"""Plans of convolutions by oneDNN: which primitives run, on which arrays, and in what working memory."""

from functools import cache
from hashlib import sha256
from typing import NamedTuple

import numpy as np

from r3d_jax.models import onednn_frames
from r3d_jax.models import onednn_library as library
from r3d_jax.models.onednn_call import Place, Step, add_plan
from r3d_jax.models.window import OPERANDS, Window, is_depthwise, trimmed

ALIGNED = 64  # bytes
NAMES = {  # of the arguments of what is wanted
    "y": {"x": library.SOURCE, "k": library.WEIGHTS, "y": library.DESTINATION},
    "x": {"x": library.DIFF_SOURCE, "k": library.WEIGHTS, "y": library.DIFF_DESTINATION},
    "k": {"x": library.SOURCE, "k": library.DIFF_WEIGHTS, "y": library.DIFF_DESTINATION},
}


class Convolution(NamedTuple):
    """One convolution, or a gradient of it; clips and kernels as `conv3d` takes them.

    Attributes:
      wanted: "y": its values; "x", "k": the gradient of its clips, or of its kernel, of those positions alone that
        `trimmed` leaves.
      clips, channels, features: how many.
      window: of the convolution.
      dtype, out: types of the operands and of what comes out.
      added: what is added to the values, in this order: "bias" [feature], in float32, and "shortcut", like the output.
      relu: whether a ReLU comes last.
      prepared: whether the kernel is one that `prepared` gives.
    """

    wanted: str
    clips: int
    channels: int
    features: int
    window: Window
    dtype: str
    out: str
    added: tuple[str, ...] = ()
    relu: bool = False
    prepared: bool = False


class Plan(NamedTuple):
    """A plan that calls can run.

    Attributes:
      key: of the call.
      working: bytes of working memory, the call's last result.
    """

    key: int
    working: int


class Memory:
    """The memory of a plan.

    Attributes:
      places: of all of it.
      working: bytes of what the plan needs for itself.
    """

    def __init__(self, names):
        self.places, self.working, self._names, self._scratch = [], 0, names, {}

    def given(self, description: int, name: str, offset: int = 0) -> int:
        """Memory in an operand, or in the result, from so many bytes on."""
        handle = library.memory(description)
        self.places.append(Place(handle, self._names.index(name), offset))
        return handle

    def own(self, description: int) -> int:
        """Memory of the plan's own."""
        handle = library.memory(description)
        self.places.append(Place(handle, len(self._names), self.working))
        self.working += -(-library.byte_count(description) // ALIGNED) * ALIGNED
        return handle

    def step(self, operation: int, arguments: dict[int, int]) -> Step:
        """An operation on memory, {argument: memory}."""
        scratch = library.asked(operation, library.SCRATCHPAD)
        if library.byte_count(scratch):
            if operation not in self._scratch:
                self._scratch[operation] = self.own(scratch)
            arguments = arguments | {library.SCRATCHPAD: self._scratch[operation]}
        return Step(library.primitive(operation), arguments)


@cache
def planned(of: Convolution) -> Plan:
    """The plan of a convolution, made at once.

    Raises:
      NotImplementedError: oneDNN has no such convolution.
    """
    memory = Memory((*OPERANDS[of.wanted], *of.added, of.wanted))
    pieces = _pieces(of)
    if of.prepared:
        moves, kernels = [], [memory.given(pieces.ordered, "k", offset) for _, offset in pieces.offsets]
    else:
        moves, kernels = zip(*(_move(of, pieces, memory, offset) for offset, _ in pieces.offsets))
    steps = onednn_frames.steps(of, memory, kernels) if _is_of_frames(of) else _steps(of, memory, *kernels)
    steps = [*steps, *moves] if of.wanted == "k" else [*moves, *steps]
    key = int.from_bytes(sha256(repr(of).encode()).digest()[:8], "little", signed=True)
    add_plan(key, memory.places, steps)
    return Plan(key, max(1, memory.working))


def prepared(kernel: np.ndarray, of: Convolution) -> np.ndarray:
    """A kernel [kt, kh, kw, channel / groups, feature] in the order that oneDNN wants for a convolution, [number]."""
    shape, _ = order(of)
    kernel, ordered, pieces = np.ascontiguousarray(kernel), np.empty(shape, kernel.dtype), _pieces(of)
    operation = library.reorder(pieces.given, pieces.ordered)
    for start, end in pieces.offsets:
        at = {library.SOURCE: (pieces.given, kernel.ctypes.data + start)}
        library.run(operation, at | {library.DESTINATION: (pieces.ordered, ordered.ctypes.data + end)})
    return ordered


def order(of: Convolution) -> tuple[tuple[int], tuple]:
    """The shape of a prepared kernel, and what tells its order from that for other convolutions."""
    pieces = _pieces(of)
    size = library.byte_count(pieces.ordered) * len(pieces.offsets)
    return (size // library.BYTES[of.dtype],), (library.order(pieces.ordered), pieces.offsets)


def _move(of, pieces, memory, offset):
    """The step that puts a piece of a kernel in its order, or a gradient's out of it, and its memory there."""
    kernel, own = memory.given(pieces.given, "k", offset), memory.own(pieces.ordered)
    descriptions, ends = (pieces.given, pieces.ordered), (kernel, own)
    if of.wanted == "k":
        descriptions, ends = descriptions[::-1], ends[::-1]
    return memory.step(library.reorder(*descriptions), dict(zip((library.SOURCE, library.DESTINATION), ends))), own


class _Pieces(NamedTuple):
    """The parts of a kernel that oneDNN puts in another order, all alike.

    Attributes:
      given, ordered: descriptions of one, as the kernel has it and as oneDNN wants it.
      offsets: of each from the beginning of the kernel, and from the first of those in order; in bytes.
    """

    given: int
    ordered: int
    offsets: tuple[tuple[int, int], ...]


@cache
def _pieces(of):
    if _is_of_frames(of):
        return _Pieces(*onednn_frames.pieces(of))
    ordered = library.asked(_operation(of), NAMES[of.wanted]["k"])
    whole, left = of.wanted != "k", trimmed(of.window)
    axes = _strides((*of.window.kernel, of.channels // of.window.groups * of.features))
    start = sum(f * stride for f, stride in zip(left.first, axes)) if whole else 0
    return _Pieces(_kernel(of, of.dtype if whole else of.out, whole), ordered, ((start * library.BYTES[of.dtype], 0),))


def _is_of_frames(of):
    """oneDNN has no fast form of channels convolved by themselves in 3-D, but in 2-D."""
    return is_depthwise(of.channels, of.features, of.window)


def _strides(shape):
    return [int(np.prod(shape[axis + 1 :])) for axis in range(len(shape))]


def _kernel(of, dtype, whole):
    """Description of what is left of a kernel, as a part of the whole one or by itself."""
    left, groups = trimmed(of.window).kernel, of.window.groups
    inputs, outputs = of.channels // groups, of.features // groups
    *axes, _ = _strides((*(of.window.kernel if whole else left), inputs * of.features))
    dims, strides = (outputs, inputs, *left), (1, of.features, *axes)
    if groups == 1:
        return library.described(dims, strides, dtype)
    return library.described((groups, *dims), (outputs, *strides), dtype)


def _unordered(of, dtype):
    """Description of what is left of a kernel, in an order that is to be chosen."""
    groups = of.window.groups
    dims = (of.features // groups, of.channels // groups, *trimmed(of.window).kernel)
    return library.described(dims if groups == 1 else (groups, *dims), None, dtype)


def _ends(of, **types):
    """Descriptions of the clips that come in and that come out, or of their gradients."""
    sizes = {"x": (of.window.size, of.channels), "y": (of.window.out, of.features)}
    for name, (size, channels) in sizes.items():
        clip, *axes, channel = _strides((of.clips, *size, channels))
        yield library.described((of.clips, channels, *size), (clip, channel, *axes), types.get(name, of.dtype))


@cache
def _operation(of):
    """What computes it, its kernel in an order of its own."""
    source, destination = _ends(of, **{of.wanted: of.out})
    axes = of.window.stride, *trimmed(of.window)[2:]
    kernel = _unordered(of, "float32" if of.wanted == "k" else of.dtype)
    geometry = library.Geometry(source, kernel, destination, *axes)
    if of.wanted == "y":
        bias = library.bias(of.features) if "bias" in of.added else None
        return library.forward(geometry, bias, added=[destination] * ("shortcut" in of.added), relu=of.relu)
    source, destination = _ends(of)
    hint = library.forward(library.Geometry(source, _unordered(of, of.dtype), destination, *axes), inference=False)
    return library.backward(geometry, hint, kernel=of.wanted == "k")


def _steps(of, memory, kernel):
    names, operation = NAMES[of.wanted], _operation(of)
    source, destination = _ends(of, **{of.wanted: of.out})
    arguments = {names["x"]: memory.given(source, "x"), names["y"]: memory.given(destination, "y"), names["k"]: kernel}
    if "bias" in of.added:
        arguments[library.BIAS] = memory.given(library.bias(of.features), "bias")
    if "shortcut" in of.added:
        arguments[library.behind(0)] = memory.given(destination, "shortcut")
    return [memory.step(operation, arguments)]
