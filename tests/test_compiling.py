import jax
import jax.numpy as jnp
import numpy as np
import pytest

from r3d_jax.compiling import compiler_options, keep_programs


@pytest.fixture
def cache():
    """Sets the folder of JAX's compilation cache, until the test ends."""
    before = jax.config.jax_compilation_cache_dir
    yield lambda folder: jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_compilation_cache_dir", before)


def test_programs_are_kept_at_home_unless_a_folder_is_given(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    cache(None)
    keep_programs()
    assert jax.config.jax_compilation_cache_dir == str(tmp_path / ".cache" / "r3d_jax")
    cache("elsewhere")
    keep_programs()
    assert jax.config.jax_compilation_cache_dir == "elsewhere"


def test_this_xla_knows_the_options():
    x = np.arange(3.0)
    options = compiler_options("cpu")
    assert options and compiler_options("gpu") == compiler_options("tpu") == {}
    np.testing.assert_allclose(jax.jit(jnp.cos, compiler_options=options)(x), np.cos(x), rtol=1e-6)
    with pytest.raises(Exception, match="No such compile option"):
        jax.jit(jnp.sin, compiler_options={"xla_no_such_option": True})(x)


def test_what_a_barrier_keeps_apart_is_computed_twice():
    """As a stage is that is computed again in the backward pass: merged, it would be kept instead.

    Of the jaxlib releases that this ran with, 0.10.2 merges without the option and 0.12.0 does not.
    """

    def twice(x):
        return jnp.sin(x), jnp.sin(jax.lax.optimization_barrier(x))

    compiled = jax.jit(twice, compiler_options=compiler_options("cpu")).lower(np.ones((64, 64), np.float32)).compile()
    assert compiled.as_text().count(" sine(") == 2
