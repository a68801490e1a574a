"""A function of JAX as an ONNX file: each primitive of its jaxpr becomes one operator or a few.

What depends on constants alone is computed here.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend import core
from onnx import checker, helper, numpy_helper

from r3d_jax.errors import InputError
from r3d_jax.weights.onnx_rules import LAST, RULES, SECOND, Tensor

OPSET, FORMAT = 18, 8  # of 2022: the first in which every reduction takes its axes alike; the file's `ir_version`
CALLS = {"jit": "jaxpr", "custom_jvp_call": "call_jaxpr"}  # of functions, whose equations take their place


def onnx_file(
    function: Callable,
    constants: Any,
    inputs: dict[str, jax.ShapeDtypeStruct],
    outputs: Sequence[str],
    facts: dict[str, str],
) -> bytes:
    """What an ONNX file of `function(constants, *inputs)` holds, with the constants in it.

    Args:
      function: pure; gives a tuple of arrays.
      constants: a tree of arrays.
      inputs: {name: shape and type}; sizes may be symbolic, as `jax.export.symbolic_shape` makes them.
      outputs: a name for each array of the result.
      facts: the model's metadata.

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
        [_info(name, like) for name, like in zip(names, alike)]
        for names, alike in ((inputs, inputs.values()), (outputs, traced.out_avals))
    ]
    graph = helper.make_graph(writer.nodes, "network", *infos, writer.stored)
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, producer_name="r3d_jax", ir_version=FORMAT, opset_imports=opset)
    helper.set_model_props(model, facts)
    checker.check_model(model)
    return model.SerializeToString()


def _info(name, aval):
    sizes = [n if isinstance(n, int) else str(n) for n in aval.shape]
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(aval.dtype)), sizes)


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
        known = name != "dim_as_value" and all(isinstance(each, np.ndarray) for each in operands)
        if known and all(isinstance(n, int) for n in aval.shape):
            return [np.asarray(eqn.primitive.bind(*operands, **eqn.params))]
        tensor = RULES[name](self, eqn, operands) if name in RULES else None
        if tensor is None:
            raise InputError(
                f"`{name}`, which this network computes with, has no form in ONNX here; export it as *.npz"
            )
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
            return self.name(value.transpose(SECOND) if value.ndim == 5 else value)
        return value.name if value.second else self.node("Transpose", value, perm=SECOND).name

    def register(self, tensor, shape):
        """Notes where a tensor shows symbolic sizes, and how many values stand between its first and last axis."""
        places = {axis: (n, [axis]) for axis, n in enumerate(shape)}
        if len(shape) > 2:
            places["inner"] = (math.prod(shape[1:-1]), list(range(1, len(shape) - 1)))
        for n, axes in places.values():
            if not isinstance(n, int) and n not in self._sizes:
                self._sizes[n] = tensor, [SECOND.index(axis) for axis in axes] if tensor.second else axes

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
        names = [self.size(n) or self.size(-1) for n in sizes]
        return self.node("Concat", *names, axis=0).name
