"""The operators of ONNX that stand for JAX's primitives: for each a rule (writer, equation, operands) -> tensor.

Arrays of five axes, the clips, leave a convolution with their channels second, as ONNX has them, and stay so while what
follows takes their values one by one. A rule gives None for what it has no form for.
"""

import math
from functools import partial
from typing import NamedTuple

import numpy as np
from onnx import helper

SECOND, LAST = (0, 4, 1, 2, 3), (0, 2, 3, 4, 1)  # from channels last to channels second, and back
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
    return _each(writer, eqn, operands, "Cast", to=helper.np_dtype_to_tensor_dtype(np.dtype(eqn.params["new_dtype"])))


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
    if (left, right, batch) != (len(eqn.invars[0].aval.shape) - 1, 0, ((), ())):
        return None
    return writer.node("MatMul", writer.last(x), matrix)


def _broadcast(writer, eqn, operands):
    """Ones for the new axes; repeated only where a size asks for it, which is not before values meet one by one."""
    shape, kept = eqn.outvars[0].aval.shape, eqn.params["broadcast_dimensions"]
    value = writer.last(operands[0])
    new = [axis for axis in range(len(shape)) if axis not in kept]
    if new and kept:
        value = writer.node("Unsqueeze", value, np.array(new, np.int64)).name
    its = dict(zip(kept, eqn.invars[0].aval.shape))
    if all(its.get(axis, 1) == n for axis, n in enumerate(shape)):
        return Tensor(value)
    return writer.node("Expand", value, writer.shape(shape))


def _reshape(writer, eqn, operands):
    return writer.node("Reshape", writer.last(operands[0]), writer.shape(eqn.params["new_sizes"]))


def _size(writer, eqn, operands):
    if (name := writer.size(eqn.params["dim"])) is None:
        return None
    size = writer.node("Squeeze", name)
    return writer.node("Cast", size, to=helper.np_dtype_to_tensor_dtype(np.dtype(eqn.outvars[0].aval.dtype)))


def _concatenate(writer, eqn, operands):
    axis = eqn.params["dimension"]
    second = len(eqn.outvars[0].aval.shape) == 5
    names = map(writer.second if second else writer.name, operands)
    return writer.node("Concat", *names, axis=SECOND.index(axis) if second else axis, second=second)


def _gather(writer, eqn, operands):
    """Of whole slices at indices along one axis, which is how frames are picked."""
    numbers, sizes = eqn.params["dimension_numbers"], eqn.params["slice_sizes"]
    axis, *others = numbers.start_index_map
    whole = all(n == m for i, (n, m) in enumerate(zip(sizes, eqn.invars[0].aval.shape)) if i != axis)
    if others or numbers.collapsed_slice_dims != (axis,) or not whole or eqn.invars[1].aval.ndim != 2:
        return None
    return writer.node("Gather", writer.last(operands[0]), operands[1][:, 0].astype(np.int64), axis=axis)


def _slice(writer, eqn, operands):
    sizes = eqn.outvars[0].aval.shape
    starts, axes = np.array(eqn.params["start_indices"], np.int64), np.arange(len(sizes))
    steps = np.array(eqn.params["strides"] or [1] * len(sizes), np.int64)
    ends = writer.node("Add", writer.node("Mul", writer.shape(sizes), steps), starts)  # cut at the end of what there is
    return writer.node("Slice", writer.last(operands[0]), starts, ends, axes, steps)


def _pad(writer, eqn, operands):
    low, high, inner = zip(*eqn.params["padding_config"])
    if any(inner):
        return None
    return writer.node("Pad", writer.last(operands[0]), np.array([*low, *high], np.int64), operands[1])


RULES = dict.fromkeys(ALIKE, _alike) | {
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
