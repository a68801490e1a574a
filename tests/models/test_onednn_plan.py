import numpy as np
import pytest

from r3d_jax.models import onednn, onednn_plan
from r3d_jax.models.onednn_plan import Convolution, planned, prepared
from r3d_jax.models.window import Window


def convolution(**changes):
    window = Window((4, 8, 8), (3, 3, 3), (1, 1, 1), (1, 1, 1), 1)
    return Convolution("y", 2, 16, 32, window, "float32", "float32")._replace(**changes)


def test_a_plan_is_made_once(here):
    plan = planned(convolution())
    assert planned(convolution()) is plan
    assert len({planned(convolution(wanted=wanted)).key for wanted in "yxk"}) == 3


def test_a_prepared_kernel_needs_no_working_memory_of_its_own(here):
    least = 3**3 * 16 * 32 * 4  # bytes of the kernel
    assert planned(convolution()).working - planned(convolution(prepared=True)).working >= least


def test_sizes_share_a_prepared_kernel_as_far_as_its_order_is_the_same(here, rng):
    kernel, of = rng.standard_normal((3, 3, 3, 16, 32), np.float32), convolution(prepared=True)
    wider = of._replace(window=of.window._replace(size=(4, 8, 10)))
    assert onednn_plan.order(of) == onednn_plan.order(wider)
    np.testing.assert_array_equal(prepared(kernel, of), prepared(kernel, wider))
    assert np.sort(prepared(kernel, of)).tolist() == np.sort(kernel.reshape(-1)).tolist()  # 16 divides all its sizes
    a_frame = of._replace(window=of.window._replace(size=(1, 8, 8)))
    assert onednn_plan.order(a_frame) != onednn_plan.order(of)


def test_a_kernel_that_is_a_view_is_prepared_as_it_looks(here, rng):
    kernel, of = rng.standard_normal((3, 3, 3, 32, 16), np.float32).swapaxes(3, 4), convolution(prepared=True)
    np.testing.assert_array_equal(prepared(kernel, of), prepared(kernel.copy(), of))


def test_what_onednn_does_not_have_is_said(here):
    with pytest.raises(KeyError, match="float64"):
        planned(convolution(dtype="float64"))
    shape = onednn.shape(convolution(wanted="k"))
    assert shape == (3, 3, 3, 16, 32)
