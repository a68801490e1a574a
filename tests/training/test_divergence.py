import jax.numpy as jnp
import numpy as np
import pytest

from r3d_jax.errors import InputError
from r3d_jax.training.divergence import check_loss, check_state
from r3d_jax.training.state import TrainState

SAID = r": training has diverged, and the checkpoints before that are kept; begin again in another `workdir` with a low"


def state(**values):
    arrays = {"scale": np.array([-3e38, 3e38], np.float32), "none": np.zeros(0, np.float32)} | values
    return TrainState(np.int32(7), {"head": arrays}, {}, (np.arange(3),))


def test_what_is_finite_is_let_through():
    check_loss(2.5, "step 1")
    check_state(state())


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_is_refused(loss):
    with pytest.raises(InputError, match=rf"^the loss of step 3 is {loss}" + SAID):
        check_loss(loss, "step 3")
    with pytest.raises(InputError, match=r"of which one may be at fault:\n  a/1.avi\n  b/2.avi$"):
        check_loss(loss, "step 3", ["a/1.avi", "b/2.avi", "a/1.avi"])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_a_state_with_one_value_that_is_not_is_refused(value, dtype):
    kernel = np.array(jnp.array([[1, value], [2, 3]], dtype))
    with pytest.raises(InputError, match=r"^after step 7, params/head/kernel is not finite" + SAID):
        check_state(state(kernel=kernel))
