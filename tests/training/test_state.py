import jax
import numpy as np
import optax
import pytest
from trunks import TINY, draw_variables

from r3d_jax.models.classifier import build
from r3d_jax.training.optim import sgd
from r3d_jax.training.state import TrainState, abstract_state, apply_gradients, first_state, init_state
from r3d_jax.video.clips import ClipSpec

OWN = {"params": {"kernel": np.float32([1.0])}, "batch_stats": {"mean": np.float32([2.0])}}
STATE = first_state(OWN, optax.identity())


def test_a_network_is_used_with_the_average_and_with_precise_statistics_where_there_are_any():
    assert STATE.averaged is None and STATE.variables == OWN
    other = {"params": {"kernel": np.float32([3.0])}, "batch_stats": {"mean": np.float32([4.0])}}
    precise = {"mean": np.float32([5.0])}
    averaged = STATE._replace(averaged=other)
    assert averaged.variables == other
    assert STATE._replace(precise=precise).variables == {"params": OWN["params"], "batch_stats": precise}
    assert averaged._replace(precise=precise).variables == {"params": other["params"], "batch_stats": precise}


def test_an_average_begins_as_a_copy():
    """A step whose state is donated may not be given one array twice."""
    state = STATE.averaging()
    assert jax.tree.map(np.array_equal, state.averaged, OWN) == jax.tree.map(lambda _: True, OWN)
    state = jax.device_put(STATE).averaging()
    assert state.averaged["params"]["kernel"] is not state.params["kernel"]


def test_a_step_of_the_optimiser_moves_the_average_after_the_weights():
    state = first_state(OWN, optax.sgd(0.5), ema=True)
    gradients = {"kernel": np.float32([1.0])}
    for params, averaged in ((0.5, 0.5), (0.0, 0.375), (-0.5, 0.15625)):  # a = 0.75 a + 0.25 x, from the first on
        state = apply_gradients(state, gradients, {"mean": np.float32([2.0])}, tx=optax.sgd(0.5), ema_decay=0.75)
        assert state.params["kernel"] == params and state.averaged["params"]["kernel"] == averaged
        assert state.averaged["batch_stats"]["mean"] == 2.0
    assert int(state.step) == 3


@pytest.mark.slow
def test_a_first_state_has_the_shapes_that_are_told_without_computing_it():
    model, tx = build("r3d_18", 5, **TINY), sgd(0.1)
    for ema in (False, True):
        state = first_state(draw_variables(model), tx, ema=ema)
        shapes = jax.tree.map(lambda x: (x.shape, x.dtype), (state, abstract_state(model, tx, ema=ema)))
        assert shapes[0] == shapes[1] and isinstance(state, TrainState)
    clip = ClipSpec(frames=4, crop=16, train_sizes=(16, 16))
    found = jax.eval_shape(lambda: init_state(model, tx, clip=clip, ema=True))
    assert jax.tree.map(lambda x: x.shape, found) == jax.tree.map(
        lambda x: x.shape, abstract_state(model, tx, ema=True)
    )
