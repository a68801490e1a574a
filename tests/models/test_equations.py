import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from r3d_jax.models.equations import function_of, needed, opened


def run(program, equations, outputs, *arguments):
    inputs = [*program.constants, *program.inputs]
    return function_of(program, equations, inputs, outputs)(*program.constants.values(), *arguments)


def names(equations):
    return [equation.primitive.name for equation in equations]


def test_calls_are_opened_loops_stay_and_what_nobody_needs_is_left_out(rng):
    table = rng.standard_normal((4, 3), np.float32)

    def turn(carry, x):
        return carry + jax.nn.relu(x), jnp.sin(carry)

    @jax.jit
    def function(x):
        jnp.exp(x)
        total, each = lax.scan(turn, jax.nn.relu(x[0]), x[1:])
        return jax.nn.relu(total) @ table, each, 2.0

    x = rng.standard_normal((3, 4), np.float32)
    program = opened(jax.make_jaxpr(function)(x))
    assert not {"jit", "custom_jvp_call", "exp"} & set(names(program.equations))
    assert names(program.equations).count("max") == 2 and names(program.equations).count("scan") == 1
    for found, expected in zip(run(program, program.equations, program.outputs, x), function(x)):
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    variables = [v for equation in program.equations for v in equation.outvars]
    assert len(set(variables)) == len(variables)


def test_a_part_of_a_program_is_a_function(rng):
    x = rng.standard_normal(4, np.float32)
    program = opened(jax.make_jaxpr(lambda x: jnp.cos(jnp.sin(x) + 1) * x)(x))
    sine = next(each for each in program.equations if each.primitive.name == "sin")
    equations = needed(program.equations, sine.outvars)
    assert names(equations) == ["sin"]
    np.testing.assert_allclose(run(program, equations, sine.outvars, x)[0], np.sin(x), rtol=1e-6)
