"""How XLA is to compile these networks."""

from pathlib import Path
from typing import Any

import jax


def keep_programs() -> None:
    """Has JAX keep what it compiles from one process to the next, in ~/.cache/r3d_jax.

    A folder that JAX has been given already, as by JAX_COMPILATION_CACHE_DIR, is used instead.
    """
    if not jax.config.jax_compilation_cache_dir:
        jax.config.update("jax_compilation_cache_dir", str(_at_home()))


def cache_folder() -> Path:
    """The folder of JAX's compilation cache, or where `keep_programs` would have it; ~/.cache/r3d_jax if it is remote.

    Raises:
      RuntimeError: there is none, and the user has no home.
    """
    folder = jax.config.jax_compilation_cache_dir
    return Path(folder) if folder and "://" not in folder else _at_home()


def _at_home():
    return Path.home() / ".cache" / "r3d_jax"


def compiler_options(platform: str) -> dict[str, Any]:
    """Options with which XLA compiles these networks best, for `jax.jit` and `Lowered.compile`.

    For example, `jax.jit(f, compiler_options=compiler_options(jax.devices()[0].platform))`.

    Args:
      platform: "cpu", "gpu", "tpu", ...
    """
    if platform != "cpu":
        return {}
    return {
        # XLA's fusion into YNN kernels halves the speed of 64-channel 2-D convolutions and their gradients.
        "xla_cpu_experimental_ynn_fusion_type": "",
        # Barriers would be taken away before equal operations are merged: what `remat` computes again would be kept.
        "xla_disable_hlo_passes": "cse_barrier_expander",
    }


def options_for_once(key: jax.Array) -> dict[str, Any] | None:
    """Options of `jax.jit` for a program that runs once: on a CPU, compiling it takes longer than it does.

    Args:
      key: an argument of the program; within another `jax.jit`, where it is traced, options have no say.
    """
    # At XLA's full effort, compiling the random draws of some 60 arrays takes 8 s on a CPU; at this, 2 s.
    alone = jax.default_backend() == "cpu" and not isinstance(key, jax.core.Tracer)
    return {"xla_backend_optimization_level": 1} if alone else None
