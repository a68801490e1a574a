"""How XLA is to compile these networks."""

from pathlib import Path
from typing import Any

import jax


def keep_programs() -> None:
    """Keeps compiled programs from one process to the next, in JAX_COMPILATION_CACHE_DIR or else ~/.cache/r3d_jax."""
    if not jax.config.jax_compilation_cache_dir:
        jax.config.update("jax_compilation_cache_dir", str(Path.home() / ".cache" / "r3d_jax"))


def compiler_options(platform: str) -> dict[str, Any]:
    """Options of `jax.jit(..., compiler_options=...)` and `Lowered.compile` for "cpu", "gpu", "tpu", ..."""
    if platform != "cpu":
        return {}
    return {
        # XLA's fusion into YNN kernels halves the speed of 64-channel 2-D convolutions and their gradients.
        "xla_cpu_experimental_ynn_fusion_type": "",
        # Barriers would be taken away before equal operations are merged: what `remat` computes again would be kept.
        "xla_disable_hlo_passes": "cse_barrier_expander",
    }
