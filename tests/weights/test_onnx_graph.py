import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest

from r3d_jax.errors import InputError
from r3d_jax.weights.onnx_graph import onnx_file


def model_of(function, constants=()):
    like = jax.ShapeDtypeStruct(jax.export.symbolic_shape("batch, 3"), np.float32)
    content = onnx_file(function, constants, {"x": like}, ["y", "z"], {"of": "a test"})
    return onnx.load_from_string(content)


def test_what_depends_on_constants_alone_is_computed():
    def function(c, x):
        scale = jax.nn.relu(c) * jnp.arange(3.0)
        return x * scale, x.astype(jnp.int32)

    model = model_of(function, np.array([3.0, 4.0, -5.0], np.float32))
    assert [node.op_type for node in model.graph.node] == ["Mul", "Cast", "Identity", "Identity"]
    (stored,) = map(onnx.numpy_helper.to_array, model.graph.initializer)
    np.testing.assert_array_equal(stored.ravel(), [0, 4, 0])


def test_a_file_names_its_arrays_and_their_sizes():
    model = model_of(lambda _, x: (x, x.sum(1)))
    inputs, outputs = (
        {each.name: [n.dim_param or n.dim_value for n in each.type.tensor_type.shape.dim] for each in values}
        for values in (model.graph.input, model.graph.output)
    )
    assert inputs == {"x": ["batch", 3]} and outputs == {"y": ["batch", 3], "z": ["batch"]}
    assert (model.opset_import[0].version, model.ir_version) == (18, 8)
    assert [(each.key, each.value) for each in model.metadata_props] == [("of", "a test")]


def test_what_has_no_form_is_named():
    with pytest.raises(InputError, match="`sort`, which this network computes with, has no form in ONNX here"):
        model_of(lambda _, x: (jnp.sort(x), x))
