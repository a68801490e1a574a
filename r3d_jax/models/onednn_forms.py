"""`python -m r3d_jax.models.onednn_forms FORM ...`: tells of each form of oneDNN's convolution whether it holds.

A line for each, `FORM: holds` or `FORM: differs`, as soon as it is known: the process may end in the next one.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

from r3d_jax.models import conv3d, onednn, onednn_plan
from r3d_jax.models.window import OPERANDS, Window

try:
    import resource
except ImportError:  # Windows
    resource = None

CASES = (  # size, kernel, stride, padding, channels, features
    ((3, 38, 38), (3, 7, 7), (1, 2, 2), (1, 3, 3), 3, 16),  # a clip of so many outputs that it is convolved by itself
    ((3, 6, 6), (3, 3, 3), (1, 1, 1), (1, 1, 1), 16, 32),
    ((3, 7, 6), (3, 3, 3), (2, 2, 2), (1, 1, 1), 32, 32),
    ((2, 6, 5), (3, 3, 3), (1, 1, 1), (1, 1, 1), 16, 32),  # fewer frames than the kernel has
    ((3, 7, 6), (1, 1, 1), (2, 2, 2), (0, 0, 0), 16, 32),
)
GROUPS = 4
ADDED = (("bias", "shortcut"), ("bias",))  # of fused convolutions, in turn
TOLERANCE = {"float32": 1e-4, "bfloat16": 2e-2}  # of the largest value


def distance(form: str) -> float:
    """How far a form's values are from the plain convolution's, as a part of the largest, in the worst of CASES.

    Args:
      form: a type and a kind, such as "float32 grouped y"; fused: with a bias, or a bias, a shortcut and a ReLU.
    """
    dtype, *kinds, wanted = form.split()
    rng, cases = np.random.default_rng(0), []
    for size, kernel, stride, padding, channels, features in CASES:
        for groups in _groups(channels, features, wanted) if "grouped" in kinds else (1,):
            window = Window(size, kernel, stride, padding, groups)
            shapes = {"x": (2, *size, channels), "k": (*kernel, channels // groups, features)}
            shapes |= {"y": (2, *window.out, features), "bias": (features,), "shortcut": (2, *window.out, features)}
            names = (*OPERANDS[wanted], *ADDED[len(cases) % len(ADDED)] * ("fused" in kinds))
            arrays = {name: rng.standard_normal(shapes[name], np.float32) for name in names}
            # A bias stays in float32.
            arrays = {name: x if name == "bias" else x.astype(jnp.dtype(dtype)) for name, x in arrays.items()}
            cases.append((window, arrays))

    def distances(operands, prepared):
        for (window, _), arrays, kernel in zip(cases, operands, prepared):
            exact = jax.tree.map(lambda x: x.astype(jnp.float32), arrays)
            found, expected = _found(wanted, window, kernel, **arrays), _expected(wanted, window, **exact)
            each.append(jnp.abs(found.astype(jnp.float32) - expected).max() / jnp.abs(expected).max())
        return each

    each = []
    prepared = [_prepared(*case) if "fused" in kinds else None for case in cases]
    operands = [operands for _, operands in cases]
    # At XLA's full effort it takes twice as long.
    compiled = jax.jit(distances, compiler_options={"xla_backend_optimization_level": 0})
    return float(np.max(compiled(operands, prepared)))


def _groups(channels, features, wanted):
    """Into which channels and features are split; also each by itself, where only values are had."""
    groups = [GROUPS] if channels % GROUPS == 0 else []
    return [*groups, channels] if channels == features and wanted == "y" else groups


def _following(window, operands):
    """What follows a fused convolution."""
    added = tuple(name for name in ("bias", "shortcut") if name in operands)
    features, out = operands["k"].shape[4], operands["x"].dtype
    return onednn.followed_by(operands["x"], window, features, out, added, "shortcut" in operands)


def _prepared(window, operands):
    return onednn_plan.prepared(operands["k"], _following(window, operands))


def _found(wanted, window, prepared, **operands):
    if prepared is None:
        return onednn.convolution(*(operands[name] for name in OPERANDS[wanted]), wanted=wanted, window=window)
    added = [operands[name] for name in ("bias", "shortcut") if name in operands]
    return onednn.run(_following(window, operands), operands["x"], prepared, *added)


def _expected(wanted, window, *, bias=0.0, shortcut=None, **operands):
    found = conv3d.native(*(operands[name] for name in OPERANDS[wanted]), wanted=wanted, window=window) + bias
    return found if shortcut is None else jnp.maximum(found + shortcut, 0)


def main(forms: list[str]) -> None:
    """Tries the forms, and prints a line for each."""
    if resource:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for form in forms:
        try:
            held = distance(form) < TOLERANCE[form.split()[0]]
        except Exception:  # an XLA that does not know the call says so in many ways
            held = False
        print(f"{form}: {'holds' if held else 'differs'}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
