import numpy as np
import pytest

from r3d_jax.models import onednn_library
from r3d_jax.models.onednn_library import DESTINATION, SOURCE


def test_an_array_is_put_in_another_order(here, rng):
    x, found = rng.standard_normal((3, 5), np.float32), np.zeros((5, 3), np.float32)
    given, wanted = (onednn_library.described((3, 5), strides, "float32") for strides in ((5, 1), (1, 3)))
    assert onednn_library.byte_count(given) == 60
    at = {SOURCE: (given, x.ctypes.data), DESTINATION: (wanted, found.ctypes.data)}
    onednn_library.run(onednn_library.reorder(given, wanted), at)
    np.testing.assert_array_equal(found, x.T)
    assert onednn_library.order(given) == ((5, 1), (3, 5), (), ()) != onednn_library.order(wanted)


def test_what_onednn_refuses_is_an_error(here):
    chosen = onednn_library.described((3, 5), None, "float32")
    with pytest.raises(RuntimeError, match="oneDNN's reorder_primitive_desc_create failed with status 2"):
        onednn_library.reorder(chosen, chosen)
    clips = onednn_library.described((1, 16, 2, 2, 2), None, "bfloat16")
    kernel = onednn_library.described((16, 16, 1, 1, 1), None, "float32")
    geometry = onednn_library.Geometry(clips, kernel, clips, (1, 1, 1), (0, 0, 0), (0, 0, 0))
    with pytest.raises(NotImplementedError, match="oneDNN has no such convolution_forward"):
        onednn_library.forward(geometry)
