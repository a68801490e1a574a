"""Which convolutions of a traced function oneDNN can run together with what follows them."""

from collections import defaultdict
from typing import NamedTuple

import numpy as np
from jax.extend.core import JaxprEqn, Literal, Var

from r3d_jax.models import conv3d, onednn, onednn_probe
from r3d_jax.models.equations import Equations, variables_of


class Convolution(NamedTuple):
    """A convolution, and what follows it.

    Attributes:
      equation: of the convolution.
      affine: for each channel: what is multiplied ("mul") or added ("add"), in this order.
      shortcut: what is then added; None: nothing is.
      relu: whether a ReLU comes last.
      followers: the equations of all that.
    """

    equation: JaxprEqn
    affine: list[tuple[str, Var]]
    shortcut: Var | None
    relu: bool
    followers: list[JaxprEqn]


def convolutions(program: Equations, fixed: set[Var]) -> list[Convolution]:
    """Those that oneDNN runs, with a fixed kernel, and with anything behind them that it can take over; or none.

    There are none where none is so large that a program would call oneDNN at all.

    Args:
      fixed: variables that stay the same from call to call.
    """
    users = defaultdict(list)
    for equation in program.equations:
        for v in variables_of(equation.invars):
            users[v].append(equation)
    for v in variables_of(program.outputs):
        users[v].append(None)
    able = [equation for equation in program.equations if equation.invars[1:2] and _is_able(equation, fixed)]
    if not any(map(_is_worthwhile, able)):
        return []
    found, taken = [], set()
    for equation in able:
        followed = _followed(equation, users, fixed, taken)
        taken.update(map(id, followed.followers))
        if followed.followers:
            found.append(followed)
    return found


def _is_able(equation, fixed):
    """Whether it is a convolution with a fixed kernel that oneDNN can fuse here."""
    if equation.primitive.name != "conv3d" or equation.params["wanted"] != "y" or equation.invars[1] not in fixed:
        return False
    dtype, *others = {v.aval.dtype for v in equation.invars}
    window, (x, kernel) = equation.params["window"], (v.aval for v in equation.invars)
    grouped = window.groups > 1
    if not onednn.has(x.shape[4], kernel.shape[4], "y", window):
        return False
    return not others and onednn_probe.holds(dtype.name, "grouped fused y" if grouped else "fused y")


def _is_worthwhile(equation):
    return conv3d.form_for_cpu(*(v.aval for v in equation.invars), exported=False, **equation.params)[1]


def _followed(equation, users, fixed, taken):
    """A convolution with what alone takes its values, as far as oneDNN can do it."""
    (v,), dtype = equation.outvars, equation.invars[1].aval.dtype
    affine, shortcut, relu, followers = [], None, False, []
    while not relu and len(users[v]) == 1 and users[v][0] is not None and id(users[v][0]) not in taken:
        (user,) = users[v]
        name, other = user.primitive.name, next((atom for atom in user.invars if atom is not v), None)
        if name == "max" and isinstance(other, Literal) and other.val == 0:
            relu = True
        elif name in ("mul", "add") and shortcut is None and _is_of_channels(other, v) and other in fixed:
            affine.append((name, other))
        elif name in ("add", "add_any") and shortcut is None and isinstance(other, Var) and other.aval == v.aval:
            shortcut = other
        elif name != "convert_element_type" or user.params["new_dtype"] not in (np.float32, dtype):
            break
        followers.append(user)
        (v,) = user.outvars
    return Convolution(equation, affine, shortcut, relu, followers)


def _is_of_channels(values, like):
    shape = *[1] * (like.aval.ndim - 1), like.aval.shape[-1]
    return isinstance(values, Var) and (values.aval.shape, values.aval.dtype) == (shape, like.aval.dtype)
