"""A trunk of two blocks and four channels, as options of `build`; and how to compile it soon."""

TINY = {"blocks": (1, 1), "temporal_kernels": ((3,), (3,)), "temporal_conv_1x1": (False, False)}
TINY |= {"temporal_strides": (1, 2), "spatial_strides": (1, 2), "planes": 4, "stem_planes": 4}

# Options of `jax.jit(..., compiler_options=...)`: convolutions in float64 take XLA ten seconds at its full effort.
SOON = {"xla_backend_optimization_level": 0}
