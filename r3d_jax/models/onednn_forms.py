"""`python -m r3d_jax.models.onednn_forms FORM ...`: tells of each form of oneDNN's convolution whether it holds.

A line for each, `FORM: holds` or `FORM: differs`, as soon as it is known: the process may end in the next one.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

from r3d_jax.models import conv3d
from r3d_jax.models.window import Window

try:
    import resource
except ImportError:  # Windows
    resource = None

CASES = (  # size, kernel, stride, padding, channels, features
    ((3, 9, 8), (3, 7, 7), (1, 2, 2), (1, 3, 3), 3, 16),
    ((3, 6, 6), (3, 3, 3), (1, 1, 1), (1, 1, 1), 16, 32),
    ((3, 7, 6), (3, 3, 3), (2, 2, 2), (1, 1, 1), 32, 32),
    ((3, 7, 6), (1, 1, 1), (2, 2, 2), (0, 0, 0), 16, 32),
)
GROUPS = 4
TOLERANCE = {"float32": 1e-4, "bfloat16": 2e-2}  # of the largest value


def distance(form: str) -> float:
    """How far a form's values are from the plain convolution's, as a part of the largest, in the worst of CASES.

    Args:
      form: a type and a kind, such as "float32 grouped y".
    """
    dtype, *grouped, wanted = form.split()
    rng, groups = np.random.default_rng(0), GROUPS if grouped else 1
    windows, operands = [], []
    for size, kernel, stride, padding, channels, features in CASES:
        if channels % groups == 0:
            window = Window(size, kernel, stride, padding, groups)
            shapes = {"x": (2, *size, channels), "k": (*kernel, channels // groups, features)}
            shapes["y"] = (2, *window.out, features)
            windows.append(window)
            operands.append([rng.standard_normal(shapes[name], np.float32) for name in conv3d.OPERANDS[wanted]])

    def distances(operands):
        for window, pair in zip(windows, jax.tree.map(lambda x: x.astype(dtype), operands)):
            found = conv3d.by_onednn(*pair, wanted=wanted, window=window).astype(jnp.float32)
            expected = conv3d.native(*(x.astype(jnp.float32) for x in pair), wanted=wanted, window=window)
            each.append(jnp.abs(found - expected).max() / jnp.abs(expected).max())
        return each

    each = []
    # At XLA's full effort it takes twice as long.
    return float(np.max(jax.jit(distances, compiler_options={"xla_backend_optimization_level": 0})(operands)))


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
