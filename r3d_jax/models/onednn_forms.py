"""`python -m r3d_jax.models.onednn_forms FORM ...`: tells of each form of oneDNN's convolution whether it holds.

A line for each, `FORM: holds` or `FORM: differs`, as soon as it is known: the process may end in the next one.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

from r3d_jax.models import conv3d, onednn
from r3d_jax.models.window import Window

try:
    import resource
except ImportError:  # Windows
    resource = None

CASES = (  # size, kernel, stride, padding, channels, features
    ((3, 38, 38), (3, 7, 7), (1, 2, 2), (1, 3, 3), 3, 16),  # a clip of so many outputs that it is convolved by itself
    ((3, 6, 6), (3, 3, 3), (1, 1, 1), (1, 1, 1), 16, 32),
    ((3, 7, 6), (3, 3, 3), (2, 2, 2), (1, 1, 1), 32, 32),
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
    rng, groups = np.random.default_rng(0), GROUPS if "grouped" in kinds else 1
    cases = []
    for size, kernel, stride, padding, channels, features in CASES:
        if channels % groups == 0:
            window = Window(size, kernel, stride, padding, groups)
            shapes = {"x": (2, *size, channels), "k": (*kernel, channels // groups, features)}
            shapes |= {"y": (2, *window.out, features), "bias": (features,), "shortcut": (2, *window.out, features)}
            names = (*conv3d.OPERANDS[wanted], *ADDED[len(cases) % len(ADDED)] * ("fused" in kinds))
            cases.append((window, {name: rng.standard_normal(shapes[name], np.float32) for name in names}))

    def distances(operands):
        for (window, _), arrays in zip(cases, operands):
            # A bias stays in float32.
            arrays = {name: x if name == "bias" else x.astype(dtype) for name, x in arrays.items()}
            exact = jax.tree.map(lambda x: x.astype(jnp.float32), arrays)
            found, expected = _found(wanted, window, **arrays), _expected(wanted, window, **exact)
            each.append(jnp.abs(found.astype(jnp.float32) - expected).max() / jnp.abs(expected).max())
        return each

    each = []
    operands = [operands for _, operands in cases]
    # At XLA's full effort it takes twice as long.
    return float(np.max(jax.jit(distances, compiler_options={"xla_backend_optimization_level": 0})(operands)))


def _found(wanted, window, **operands):
    pair = [operands.pop(name) for name in conv3d.OPERANDS[wanted]]
    if not operands:
        return conv3d.by_onednn(*pair, wanted=wanted, window=window)
    low = high = window.padding
    options = {"stride": window.stride, "low": low, "high": high, "groups": window.groups}
    return onednn.convolution(*pair, window.out, **options, **operands, relu="shortcut" in operands)


def _expected(wanted, window, *, bias=0.0, shortcut=None, **operands):
    found = conv3d.native(*(operands[name] for name in conv3d.OPERANDS[wanted]), wanted=wanted, window=window) + bias
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
