"""A trunk of two blocks and four channels, as options of `build`; and how to compile it, or wide ones, soon."""

import jax
import numpy as np

from r3d_jax.models.classifier import abstract_variables

TINY = {"blocks": (1, 1), "temporal_kernels": ((3,), (3,)), "temporal_conv_1x1": (False, False)}
TINY |= {"temporal_strides": (1, 2), "spatial_strides": (1, 2), "planes": 4, "stem_planes": 4}

# Options of `jax.jit(..., compiler_options=...)`: convolutions in float64 take XLA ten seconds at its full effort.
SOON = {"xla_backend_optimization_level": 0}
# And networks of full width, of which computing takes longer than compiling.
FAST = {"xla_backend_optimization_level": 1, "xla_llvm_disable_expensive_passes": True}

# A single block, for what does not depend on the trunk.
ONE = {name: value[:1] if isinstance(value, tuple) else value for name, value in TINY.items()}


def draw_variables(model, seed=0):
    """Variables of `model` drawn without compiling anything; variances are positive."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda x: np.float32(np.abs(rng.normal(0.5, 0.2, x.shape))), abstract_variables(model))
