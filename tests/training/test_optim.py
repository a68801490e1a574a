import jax
import jax.numpy as jnp
import numpy as np
import pytest

from r3d_jax.errors import InputError
from r3d_jax.training.optim import multistep, not_batch_norm, sgd


def test_multistep_changes_at_the_milestones_epochs():
    schedule = multistep((0.4, 0.2, 0.1), milestones=(1, 3), steps_per_epoch=2)
    np.testing.assert_allclose([schedule(step) for step in range(8)], [0.4, 0.4, 0.2, 0.2, 0.2, 0.2, 0.1, 0.1])
    assert multistep((0.4,), milestones=(), steps_per_epoch=2)(7) == np.float32(0.4)


@pytest.mark.parametrize("values, milestones", [((0.1,), (1,)), ((0.1, 0.2, 0.3), (2, 1))])
def test_values_and_milestones_that_do_not_go_together_are_refused(values, milestones):
    with pytest.raises(InputError, match="must have one value more than `milestones`"):
        multistep(values, milestones=milestones, steps_per_epoch=2)


def test_the_trunk_has_a_learning_rate_factor_of_its_own():
    params = {"trunk": {"kernel": jnp.ones(2)}, "heads_0": {"kernel": jnp.ones(2)}}
    gradient = jax.tree.map(jnp.ones_like, params)
    options = {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "decay_batch_norm": False}
    for factor in (0.25, 0.0):
        tx, whole = (sgd(lambda _: 0.5, **options, trunk_factor=each) for each in (factor, 1.0))
        updates, _ = tx.update(gradient, tx.init(params), params)
        expected, _ = whole.update(gradient, whole.init(params), params)
        np.testing.assert_allclose(updates["trunk"]["kernel"], factor * expected["trunk"]["kernel"])
        np.testing.assert_array_equal(updates["heads_0"]["kernel"], expected["heads_0"]["kernel"])


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_pytorchs(nesterov):
    """v = momentum v + (g + decay w); w -= rate v, or rate (g + decay w + momentum v)."""
    rates, momentum, decay = (0.1, 0.01), 0.9, 0.02
    schedule = multistep(rates, milestones=(1,), steps_per_epoch=2)
    tx = sgd(schedule, momentum=momentum, nesterov=nesterov, weight_decay=decay, decay_batch_norm=False)
    params = {"kernel": jnp.array([1.0, -2.0])}
    state = tx.init(params)
    w, v = np.array([1.0, -2.0]), 0.0
    for step in range(4):
        gradient = np.array([0.5, step - 1.0])
        updates, state = tx.update({"kernel": jnp.array(gradient)}, state, params)
        params = jax.tree.map(jnp.add, params, updates)
        gradient = gradient + decay * w
        v = momentum * v + gradient
        w = w - rates[step >= 2] * (gradient + momentum * v if nesterov else v)
        np.testing.assert_allclose(params["kernel"], w, rtol=1e-5)


def test_batch_norm_is_not_decayed_unless_asked():
    params = {
        "trunk": {"bn1": {"scale": jnp.ones(2), "bias": jnp.ones(2)}, "conv1": {"kernel": jnp.ones(2)}},
        "heads_0": {"kernel": jnp.ones(2), "bias": jnp.ones(2)},
    }
    assert not_batch_norm(params) == {
        "trunk": {"bn1": {"scale": False, "bias": False}, "conv1": {"kernel": True}},
        "heads_0": {"kernel": True, "bias": True},
    }
    zero = jax.tree.map(jnp.zeros_like, params)
    for decays, expected in ((False, 0), (True, -0.5)):
        tx = sgd(lambda _: 1.0, momentum=0.0, nesterov=False, weight_decay=0.5, decay_batch_norm=decays)
        updates, _ = tx.update(zero, tx.init(params), params)
        assert updates["trunk"]["bn1"]["scale"][0] == expected and updates["heads_0"]["bias"][0] == -0.5
