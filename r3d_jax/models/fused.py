"""A trained network's convolutions with what follows each of them within oneDNN's call.

A trained network's batch norm scales and shifts each channel by numbers that stay the same. So the scale goes into the
kernel, once, and the shift becomes a bias, which oneDNN adds, as it does the sum with a shortcut and the ReLU behind
it, while the values are still in the processor. What is left for XLA to compile is a fifth of what it was.

This is found in the equations of the traced function, so no network has a second form.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.core import ShapedArray
from jax.extend.core import Primitive, Var
from jax.interpreters import mlir

from r3d_jax.models import conv3d, onednn, onednn_plan
from r3d_jax.models.equations import function_of, needed, opened, variables_of
from r3d_jax.models.followed import convolutions

# What `prepare` can compute, from an equation's operands and its parameters.
COMPUTED = {
    "add": lambda x, y, **_: x + y,
    "sub": lambda x, y, **_: x - y,
    "mul": lambda x, y, **_: x * y,
    "convert_element_type": lambda x, new_dtype, **_: x.astype(new_dtype),
    "rsqrt": lambda x, **_: 1 / np.sqrt(x),
    "broadcast_in_dim": lambda x, shape, broadcast_dimensions, **_: np.broadcast_to(
        x.reshape([n if axis in broadcast_dimensions else 1 for axis, n in enumerate(shape)]), shape
    ),
}
KEPT = 2  # copies of the weights, prepared for other sizes of clips


class Fused(NamedTuple):
    """A function of variables and arrays in two parts: `run(prepare(variables), *arrays)` is the function's value.

    Attributes:
      prepare: of the variables: arrays. What is computed from variables alone is computed here, by NumPy: it is little,
        and compiling it would take a second.
      run: of these and of the other arrays.
      shapes: of what `prepare` gives, to compile `run` before it is there.
      key: equal where the same function, of arrays of another shape, prepares the same.
    """

    prepare: Callable[[Any], list[np.ndarray]]
    run: Callable[..., Any]
    shapes: list[jax.ShapeDtypeStruct]
    key: str


def fused(function: Callable[..., Any], variables: Any, *arrays: Any) -> Fused | None:
    """`function` of variables and arrays like these with its convolutions fused; None where there are none to fuse.

    It is so where oneDNN's convolutions are not used, as on all devices but CPUs.

    Args:
      function: pure.
      variables: what stays the same from call to call.
    """
    if jax.default_backend() != "cpu":
        return None
    traced, shapes = jax.make_jaxpr(function, return_shape=True)(variables, *arrays)
    program = opened(traced)
    count = len(jax.tree.leaves(variables))
    fixed = _fixed(program, program.inputs[:count])
    found = convolutions(program, fixed)
    if not found:
        return None
    operands = {id(each.equation): _operands(each) for each in found}
    live = needed(_live(program, fixed, found, operands), program.outputs)
    read = variables_of([*(atom for each in live for atom in each.invars), *program.outputs])
    passed = [v for v in dict.fromkeys(read) if v in fixed]
    made = [v for each in operands.values() for v in each]
    inputs = [*program.constants, *passed, *made, *program.inputs[count:]]
    after = function_of(program, live, inputs, program.outputs)

    def run(prepared, *arrays):
        values = after(*program.constants.values(), *prepared, *jax.tree.leaves(arrays))
        return jax.tree.structure(shapes).unflatten(values)

    places = {id(equation): place for place, equation in enumerate(program.equations)}
    orders = {places[id(each.equation)]: onednn_plan.order(_described(each)) for each in found}
    key = str((orders, len(passed)))
    prepared = [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in (*passed, *made)]
    return Fused(_preparation(program, fixed, found, passed), run, prepared, key)


def prepared_once(variables: Any, device: jax.Device | None = None) -> Callable[[Fused | None], Any]:
    """A function that gives the variables as a fused function's `run` takes them, or of None as they are.

    What it has prepared last is kept.

    Args:
      device: where they are put; None: the default one.
    """
    kept = {}

    def prepared(found):
        if not found:
            return variables
        if found.key not in kept:
            if len(kept) == KEPT:
                kept.pop(next(iter(kept)))
            kept[found.key] = jax.device_put(found.prepare(variables), device)
        return kept[found.key]

    return prepared


def _preparation(program, fixed, found, passed):
    """The function of variables that gives the values of `passed`, and of each convolution its kernel and its bias."""
    asked = [v for each in found for v in (each.equation.invars[1], *(v for _, v in each.affine))]
    equations = [equation for equation in program.equations if fixed.issuperset(equation.outvars)]
    equations = needed(equations, [*passed, *asked])

    def prepare(variables):
        known = {v: np.asarray(value) for v, value in program.constants.items()}
        known |= zip(program.inputs, map(np.asarray, jax.tree.leaves(variables)))
        for equation in equations:
            operands = [known[atom] if isinstance(atom, Var) else atom.val for atom in equation.invars]
            known[equation.outvars[0]] = COMPUTED[equation.primitive.name](*operands, **equation.params)
        return [*(known[v] for v in passed), *(values for each in found for values in _folded(each, known))]

    return prepare


def _fixed(program, variables):
    """What is computed from the variables alone, but for large arrays of few numbers."""
    fixed, known = set(variables), {*variables, *program.constants}
    for equation in program.equations:
        operands = variables_of(equation.invars)
        sizes = [math.prod(v.aval.shape) for v in (*operands, *equation.outvars)]
        grows = max(sizes, default=0) > max(2**16, *sizes[: len(operands)], 0)
        able = equation.primitive.name in COMPUTED and not grows
        if able and fixed.intersection(operands) and known.issuperset(operands):
            fixed.update(equation.outvars)
            known.update(equation.outvars)
    return fixed


def _operands(convolution):
    """The variables of a fused convolution's kernel, and of its bias if it has one."""
    of = _described(convolution)
    shape, _ = onednn_plan.order(of)
    biases = [Var(ShapedArray((of.features,), np.dtype("float32")))] if "bias" in of.added else []
    return [Var(ShapedArray(shape, convolution.equation.invars[1].aval.dtype)), *biases]


def _described(convolution):
    """A fused convolution as oneDNN is asked for it."""
    x, kernel = (v.aval for v in convolution.equation.invars)
    (out,) = convolution.followers[-1].outvars
    added = ["bias"] * any(name == "add" for name, _ in convolution.affine)
    added += ["shortcut"] * (convolution.shortcut is not None)
    window = convolution.equation.params["window"]
    return onednn.followed_by(x, window, kernel.shape[-1], out.aval.dtype, added, convolution.relu)


def _folded(convolution, known):
    """A convolution's kernel times the scale of each feature, in order, and its bias, in float32, if it has one."""
    scale, shift = np.float32(1), np.float32(0)
    for name, v in convolution.affine:
        values = known[v].reshape(-1)
        scale, shift = (scale * values, shift * values) if name == "mul" else (scale, shift + values)
    kernel, of = known[convolution.equation.invars[1]], _described(convolution)
    kernel = onednn_plan.prepared((kernel * scale).astype(kernel.dtype), of)
    return [kernel, shift] if "bias" in of.added else [kernel]


def _live(program, fixed, found, operands):
    """The equations that are left, with each convolution where the last of its followers was."""
    gone = {id(each.equation) for each in found}.union(*(map(id, each.followers) for each in found))
    last = {id(each.followers[-1]): each for each in found}
    live = []
    for equation in program.equations:
        if each := last.get(id(equation)):
            live.append(_fused_equation(each, operands[id(each.equation)]))
        elif id(equation) not in gone and not fixed.issuperset(equation.outvars):
            live.append(equation)
    return live


def _fused_equation(convolution, operands):
    shortcuts = [] if convolution.shortcut is None else [convolution.shortcut]
    return convolution.equation.replace(
        primitive=_fused_conv3d,
        invars=[convolution.equation.invars[0], *operands, *shortcuts],
        outvars=convolution.followers[-1].outvars,
        params={"of": _described(convolution)},
    )


def _lower(ctx, *operands, of):
    return conv3d.lower_whole(ctx, partial(onednn.run, of), *operands)


_fused_conv3d = Primitive("fused_conv3d")
_fused_conv3d.def_abstract_eval(lambda x, *_, of: x.update(shape=onednn.shape(of), dtype=np.dtype(of.out)))
mlir.register_lowering(_fused_conv3d, _lower, platform="cpu")
