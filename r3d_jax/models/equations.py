"""A traced function as one list of equations: calls within calls are opened."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Var, jaxpr_as_fun

# Primitives that call what one of their parameters holds.
OPENED = {"jit": "jaxpr", "custom_jvp_call": "call_jaxpr", "custom_vjp_call": "call_jaxpr"}


class Equations(NamedTuple):
    """A program in single assignment; what is no variable is a literal.

    Attributes:
      inputs: the function's arguments.
      constants: {variable: array} of what it closes over.
      equations: those that the outputs need, in their order.
      outputs: its results.
      source: what it has been opened from.
    """

    inputs: list[Var]
    constants: dict[Var, Any]
    equations: list[JaxprEqn]
    outputs: list[Any]
    source: Jaxpr


def opened(traced: ClosedJaxpr) -> Equations:
    """The equations of a function traced by `jax.make_jaxpr`, each variable a new one; loops stay as they are."""
    inputs = [Var(v.aval) for v in traced.jaxpr.invars]
    found = Equations(inputs, {}, [], [], traced.jaxpr)
    found.outputs.extend(_open(traced, inputs, found))
    return found._replace(equations=needed(found.equations, found.outputs))


def _open(traced, arguments, found):
    """Adds the equations of `traced` to those found; its outputs, where its inputs are `arguments`."""
    here = dict(zip(traced.jaxpr.invars, arguments))
    for variable, value in zip(traced.jaxpr.constvars, traced.consts):
        here[variable] = Var(variable.aval)
        found.constants[here[variable]] = value

    def read(atom):
        return here[atom] if isinstance(atom, Var) else atom

    for equation in traced.jaxpr.eqns:
        operands, name = [read(atom) for atom in equation.invars], equation.primitive.name
        if name in OPENED:
            results = _open(equation.params[OPENED[name]], operands, found)
        else:
            results = [Var(v.aval) for v in equation.outvars]
            found.equations.append(equation.replace(invars=operands, outvars=results))
        here.update(zip(equation.outvars, results))
    return [read(atom) for atom in traced.jaxpr.outvars]


def needed(equations: list[JaxprEqn], outputs: Iterable[Any]) -> list[JaxprEqn]:
    """Those of the equations that the outputs need, in their order."""
    asked, kept = set(variables_of(outputs)), []
    for equation in reversed(equations):
        if asked.intersection(equation.outvars):
            kept.append(equation)
            asked.update(variables_of(equation.invars))
    return kept[::-1]


def variables_of(atoms: Iterable[Any]) -> list[Var]:
    """Those that are variables, not literals."""
    return [atom for atom in atoms if isinstance(atom, Var)]


def function_of(
    program: Equations, equations: list[JaxprEqn], inputs: list[Var], outputs: list[Any]
) -> Callable[..., list[jax.Array]]:
    """The function that computes `outputs` from arrays for `inputs` by some of a program's equations."""
    names = program.source.debug_info.with_unknown_names()
    jaxpr = program.source.replace(constvars=[], invars=inputs, outvars=outputs, eqns=equations, debug_info=names)
    return jaxpr_as_fun(ClosedJaxpr(jaxpr, ()))
