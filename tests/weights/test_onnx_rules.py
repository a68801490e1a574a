import jax
import jax.numpy as jnp
import numpy as np
import onnxruntime
import pytest
from closeness import close
from jax import lax

from r3d_jax.errors import InputError
from r3d_jax.models.conv3d import conv3d
from r3d_jax.weights.onnx_graph import onnx_file


def outputs(function, x, constants=(), sizes="batch, time, height, width, 3", dtype=np.float32):
    """What ONNX Runtime makes of a function of arrays of any size."""
    like = jax.ShapeDtypeStruct(jax.export.symbolic_shape(sizes), dtype)
    content = onnx_file(lambda constants, x: (function(constants, x),), constants, {"x": like}, ["y"], {"of": "a test"})
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map == {"of": "a test"}
    return session.run(None, {"x": x})[0]


def check(function, x, constants=(), **options):
    close(outputs(function, x, constants, **options), function(constants, x))


@pytest.fixture
def clips(rng):
    return rng.normal(0, 1, (2, 4, 6, 5, 3)).astype(np.float32)


def kernel(rng, *shape):
    return rng.normal(0, 1, shape).astype(np.float32)


def test_what_follows_a_convolution_sees_the_axes_where_jax_has_them(clips, rng):
    """Concatenated, padded, cut, reduced, reshaped and multiplied as if the channels were last."""

    def function(k, x):
        y = jnp.maximum(conv3d(x, k, (1, 2, 1), padding=(1, 1, 1)) * jnp.arange(4.0) + 0.5, 0)
        y = jnp.concatenate([y, jnp.exp(-y)], -1) + y.mean((1, 2, 3), keepdims=True).repeat(2, -1)
        y = jnp.pad(y, [(0, 0), (1, 0), (0, 0), (0, 2), (0, 1)])
        y = lax.slice(y, [0, 1, 0, 0, 0], y.shape, [1, 2, 1, 1, 3])
        return (y.sum((1, 3)).max(1) @ jnp.ones((3, 2))).reshape(-1)

    check(function, clips, kernel(rng, 3, 3, 3, 3, 4))


def test_frames_are_picked_and_repeated(clips, rng):
    def function(k, x):
        y = conv3d(x[:, np.array([0, 3])], k)
        return jnp.repeat(y, 2, axis=1).sum((2, 3))

    check(function, clips, kernel(rng, 1, 1, 1, 3, 2), sizes="batch, 4, height, width, 3")


def test_sums_are_divided_by_sizes_that_are_known_only_then(clips):
    check(lambda _, x: x.mean((1, 2, 3)) + x.shape[0] * jnp.log(jnp.asarray(x.shape[2], jnp.float32)), clips)


def test_what_a_function_of_values_does_to_those_beyond_the_numbers():
    x = np.array([[-200.0, 0.0, 200.0], [np.inf, -np.inf, 1.0]], np.float32)

    def function(_, x):
        return jnp.where(jnp.isfinite(x), jax.nn.log_sigmoid(jnp.abs(x)), -1)

    np.testing.assert_allclose(outputs(function, x, sizes="batch, 3"), function((), x), atol=1e-6)


@pytest.mark.parametrize(
    "function, name",
    [
        (lambda x: jnp.tensordot(x, x, ((1,), (1,))), "dot_general"),
        (lambda x: x[:, np.array([[0, 1]], np.int32)], "gather"),
        (lambda x: lax.pad(x, 0.0, [(0, 0, 0), (0, 0, 1)]), "pad"),
        (lambda x: x / (x.shape[0] + 7), "dim_as_value"),
    ],
)
def test_what_a_rule_has_no_form_for_is_named(function, name):
    with pytest.raises(InputError, match=f"`{name}`, which this network computes with, has no form in ONNX here"):
        outputs(lambda _, x: function(x), np.zeros((2, 3), np.float32), sizes="batch, 3")
