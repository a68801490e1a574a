"""A function of JAX as a graph of ONNX: each primitive of its jaxpr becomes one operator or a few.

What depends on constants alone is computed here. Arrays of five axes, the clips, leave a convolution with their
channels second, as ONNX has them, and stay so while what follows takes their values one by one.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend import core
from onnx import GraphProto, helper, numpy_helper

from r3d_jax.errors import InputError

OPSET = 18  # of 2022: the first in which every reduction takes its axes alike
FIRST, LAST = (0, 4, 1, 2, 3), (0, 2, 3, 4, 1)  # from channels last to channels second, and back
CALLS = {"jit": "jaxpr", "custom_jvp_call": "call_jaxpr"}  # of functions, whose equations take their place
ALIKE = {  # what is done to values one by one
    "abs": "Abs",
    "add": "Add",
    "div": "Div",
    "exp": "Exp",
    "log": "Log",
    "logistic": "Sigmoid",
    "max": "Max",
    "mul": "Mul",
    "neg": "Neg",
    "sign": "Sign",
    "stop_gradient": "Identity",
    "sub": "Sub",
}


class Tensor(NamedTuple):
    """A value of the graph.

    Attributes:
      name: in the graph.
      second: whether it has five axes, of which the channels are the second and not the last.
    """

    name: str
    second: bool = False


def onnx_graph(
    function: Callable, constants: Any, inputs: dict[str, jax.ShapeDtypeStruct], outputs: Sequence[str]
) -> GraphProto:
    """The graph of `function(constants, *inputs)`, with the constants in it.

    Args:
      function: pure; gives a tuple of arrays.
      constants: a tree of arrays.
      inputs: {name: shape and type}; sizes may be symbolic, as `jax.export.symbolic_shape` makes them.
      outputs: a name for each array of the result.

    Raises:
      InputError: something in the function has no form in ONNX here; names the primitive.
    """
    traced = jax.make_jaxpr(function)(constants, *inputs.values())
    writer = _Writer()
    given = [Tensor(name) for name in inputs]
    for tensor, like in zip(given, inputs.values()):
        writer.register(tensor, like.shape)
    found = writer.run(traced, [*map(np.asarray, jax.tree.leaves(constants)), *given])
    for name, value in zip(outputs, found):
        writer.nodes.append(helper.make_node("Identity", [writer.last(value)], [name]))
    infos = [
        [_info(name, aval) for name, aval in zip(names, avals)]
        for names, avals in ((inputs, traced.in_avals[-len(given) :]), (outputs, traced.out_avals))
    ]
    return helper.make_graph(writer.nodes, "network", *infos, writer.stored)


def _info(name, aval):
    sizes = [n if isinstance(n, int) else str(n) for n in aval.shape]
    return helper.make_tensor_value_info(name, _kind(aval.dtype), sizes)


def _kind(dtype):
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


class _Writer:
    """Nodes and stored tensors of a graph that grows, and where in it each symbolic size can be read."""

    def __init__(self):
        self.nodes, self.stored, self._sizes, self._names = [], [], {}, 0

    def run(self, closed, values):
        """The values that a jaxpr makes of others: arrays where they are known, else tensors."""
        known = dict(zip(closed.jaxpr.constvars, map(np.asarray, closed.consts)))
        known |= zip(closed.jaxpr.invars, values)

        def read(atom):
            return np.asarray(atom.val) if isinstance(atom, core.Literal) else known[atom]

        for eqn in closed.jaxpr.eqns:
            known |= zip(eqn.outvars, self._equation(eqn, list(map(read, eqn.invars))))
        return list(map(read, closed.jaxpr.outvars))

    def _equation(self, eqn, operands):
        name, aval = eqn.primitive.name, eqn.outvars[0].aval
        if name in CALLS:
            return self.run(eqn.params[CALLS[name]], operands)
        known = operands and all(isinstance(each, np.ndarray) for each in operands)
        if known and all(isinstance(n, int) for n in aval.shape):
            return [np.asarray(eqn.primitive.bind(*operands, **eqn.params))]
        rule = _alike if name in ALIKE else RULES.get(name)
        if rule is None:
            raise InputError(f"`{name}`, which this network computes with, has no form in ONNX here; export it as *.npz")
        tensor = rule(self, eqn, operands)
        self.register(tensor, aval.shape)
        return [tensor]

    def node(self, operator, *inputs, second=False, **attributes):
        """A new tensor, of an operator's inputs: tensors, their names, or arrays."""
        name = self._new(operator.lower())
        names = [each if isinstance(each, str) else self.name(each) for each in inputs]
        self.nodes.append(helper.make_node(operator, names, [name], **attributes))
        return Tensor(name, second)

    def name(self, value):
        """The name of a tensor or of an array, which is stored."""
        if isinstance(value, Tensor):
            return value.name
        name = self._new("constant")
        self.stored.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def _new(self, kind):
        self._names += 1
        return f"{kind}_{self._names}"

    def last(self, value):
        """The name of a value with its channels last."""
        if isinstance(value, Tensor) and value.second:
            return self.node("Transpose", value, perm=LAST).name
        return self.name(value)

    def second(self, value):
        """The name of a value of five axes with its channels second; a number is taken as it is."""
        if isinstance(value, np.ndarray):
            return self.name(value.transpose(FIRST) if value.ndim == 5 else value)
        return value.name if value.second else self.node("Transpose", value, perm=FIRST).name

    def register(self, tensor, shape):
        """Notes where a tensor shows symbolic sizes, and how many values stand between its first and last axis."""
        places = {axis: (n, [axis]) for axis, n in enumerate(shape)}
        if len(shape) > 2:
            places["inner"] = (math.prod(shape[1:-1]), list(range(1, len(shape) - 1)))
        for n, axes in places.values():
            if not isinstance(n, int) and n not in self._sizes:
                self._sizes[n] = tensor, [FIRST.index(axis) for axis in axes] if tensor.second else axes

    def size(self, n):
        """The name of a size: an array of one int64. None: it is not known how to find it."""
        if isinstance(n, int):
            return self.name(np.array([n], np.int64))
        if n not in self._sizes:
            return None
        tensor, axes = self._sizes[n]
        if not isinstance(tensor, str):
            read = self.node("Gather", self.node("Shape", tensor), np.array(axes, np.int64))
            tensor = (self.node("ReduceProd", read, keepdims=1) if len(axes) > 1 else read).name
            self._sizes[n] = tensor, axes
        return tensor

    def shape(self, sizes):
        """The name of an array of sizes, of which one may be unknown: the values give it."""
        if all(isinstance(n, int) for n in sizes):
            return self.name(np.array(sizes, np.int64))
        names = list(map(self.size, sizes))
        unknown = self.name(np.array([-1], np.int64))
        return self.node("Concat", *(name or unknown for name in names), axis=0).name


def _alike(writer, eqn, operands):
    operator = ALIKE[eqn.primitive.name]
    if operator == "Max" and isinstance(operands[1], np.ndarray) and not operands[1].any():
        return _each(writer, eqn, operands[:1], "Relu")
    return _each(writer, eqn, operands, operator)


def _each(writer, eqn, operands, operator, **attributes):
    """An operator on values one by one: channels are second where they are so in any operand."""
    second = any(isinstance(each, Tensor) and each.second for each in operands)
    axes = [len(atom.aval.shape) for atom in eqn.invars]
    names = [writer.second(x) if second and n == 5 else writer.name(x) for x, n in zip(operands, axes)]
    if operator == "Where":  # JAX's first choice is the one for what does not hold
        names = [names[0], names[2], names[1]]
    return writer.node(operator, *names, second=second, **attributes)


def _cast(writer, eqn, operands):
    return _each(writer, eqn, operands, "Cast", to=_kind(eqn.params["new_dtype"]))


def _finite(writer, eqn, operands):
    absolute = _each(writer, eqn, operands, "Abs")
    return absolute._replace(name=writer.node("Less", absolute, np.array(np.inf, eqn.invars[0].aval.dtype)).name)


def _different(writer, eqn, operands):
    equal = _each(writer, eqn, operands, "Equal")
    return equal._replace(name=writer.node("Not", equal).name)


def _log1p(writer, eqn, operands):
    (x,) = operands
    return x._replace(name=writer.node("Log", writer.node("Add", x, np.ones((), eqn.invars[0].aval.dtype))).name)


def _conv3d(writer, eqn, operands):
    (clips, kernel), window = operands, eqn.params["window"]
    return writer.node(
        "Conv",
        writer.second(clips),
        writer.name(kernel.transpose(4, 3, 0, 1, 2)),
        strides=window.stride,
        pads=[*window.padding] * 2,
        group=window.groups,
        second=True,
    )


def _pool(operator):
    def rule(writer, eqn, operands):
        low, high = zip(*eqn.params["padding"][1:4])
        how = {"kernel_shape": eqn.params["window_dimensions"][1:4], "strides": eqn.params["window_strides"][1:4]}
        pooled = writer.node(operator, writer.second(operands[0]), pads=[*low, *high], second=True, **how)
        if operator == "MaxPool":
            return pooled
        count = np.array(math.prod(how["kernel_shape"]), eqn.outvars[0].aval.dtype)  # zeros of the padding count too
        return writer.node("Mul", pooled, count, second=True)

    return rule


def _reduce(operator):
    def rule(writer, eqn, operands):
        axes, value = eqn.params["axes"], operands[0]
        if value.second and axes == (1, 2, 3):
            return writer.node(operator, value, np.array([2, 3, 4], np.int64), keepdims=0)
        return writer.node(operator, writer.last(value), np.array(axes, np.int64), keepdims=0)

    return rule


def _dot(writer, eqn, operands):
    ((left,), (right,)), batch = eqn.params["dimension_numbers"]
    x, matrix = operands
    assert (left, right, batch) == (len(eqn.invars[0].aval.shape) - 1, 0, ((), ())), eqn
    return writer.node("MatMul", writer.last(x), matrix)


def _broadcast(writer, eqn, operands):
    """Ones for the new axes; repeated only where a size asks for it, which is not before values meet one by one."""
    shape, kept = eqn.outvars[0].aval.shape, eqn.params["broadcast_dimensions"]
    value = writer.last(operands[0])
    new = [axis for axis in range(len(shape)) if axis not in kept]
    if new and kept:
        value = writer.node("Unsqueeze", value, np.array(new, np.int64)).name
    its = {axis: n for axis, n in zip(kept, eqn.invars[0].aval.shape)}
    if all(its.get(axis, 1) == n for axis, n in enumerate(shape)):
        return Tensor(value)
    return writer.node("Expand", value, writer.shape(shape))


def _reshape(writer, eqn, operands):
    return writer.node("Reshape", writer.last(operands[0]), writer.shape(eqn.params["new_sizes"]))


def _size(writer, eqn, operands):
    size = writer.node("Squeeze", writer.size(eqn.params["dim"]))
    return writer.node("Cast", size, to=_kind(eqn.outvars[0].aval.dtype))


def _concatenate(writer, eqn, operands):
    axis = eqn.params["dimension"]
    second = len(eqn.outvars[0].aval.shape) == 5
    names = map(writer.second if second else writer.name, operands)
    return writer.node("Concat", *names, axis=FIRST.index(axis) if second else axis, second=second)


def _gather(writer, eqn, operands):
    """Of whole slices at indices along one axis, which is how frames are picked."""
    numbers, x = eqn.params["dimension_numbers"], operands[0]
    (axis,) = numbers.start_index_map
    assert numbers.collapsed_slice_dims == (axis,) and axis not in numbers.offset_dims, eqn
    return writer.node("Gather", writer.last(x), operands[1][..., 0].astype(np.int64), axis=axis)


def _slice(writer, eqn, operands):
    sizes = eqn.outvars[0].aval.shape
    starts, axes = np.array(eqn.params["start_indices"], np.int64), np.arange(len(sizes))
    steps = np.array(eqn.params["strides"] or [1] * len(sizes), np.int64)
    ends = writer.node("Add", writer.node("Mul", writer.shape(sizes), steps), starts)  # cut at the end of what there is
    return writer.node("Slice", writer.last(operands[0]), starts, ends, axes, steps)


def _pad(writer, eqn, operands):
    low, high, inner = zip(*eqn.params["padding_config"])
    assert not any(inner), eqn
    return writer.node("Pad", writer.last(operands[0]), np.array([*low, *high], np.int64), operands[1])


RULES = {
    "broadcast_in_dim": _broadcast,
    "concatenate": _concatenate,
    "conv3d": _conv3d,
    "convert_element_type": _cast,
    "dim_as_value": _size,
    "dot_general": _dot,
    "gather": _gather,
    "is_finite": _finite,
    "log1p": _log1p,
    "ne": _different,
    "pad": _pad,
    "reduce_max": _reduce("ReduceMax"),
    "reduce_sum": _reduce("ReduceSum"),
    "reduce_window_max": _pool("MaxPool"),
    "reduce_window_sum": _pool("AveragePool"),
    "reshape": _reshape,
    "select_n": partial(_each, operator="Where"),
    "slice": _slice,
}
