import jax
import jax.numpy as jnp
import numpy as np
import pytest
from seeded import case_of

from r3d_jax.training.optim import multistep, not_batch_norm, sgd

SCHEDULES = case_of("protocol")["schedules"]


@pytest.mark.parametrize("name", ["tutorial_multistep", "multistep_finetune", "multistep_5_of_7"])
def test_multistep_is_the_references(name):
    row = SCHEDULES[name]
    schedule = multistep(row["config"]["values"], row["config"]["milestones"], steps_per_epoch=7)
    for epoch, expected in enumerate(row["values"]):
        for step in (7 * epoch, 7 * epoch + 6):
            np.testing.assert_allclose(schedule(step), expected, rtol=1e-6)


def test_without_milestones_the_rate_is_constant():
    assert multistep([0.3], [], 5)(1000) == np.float32(0.3)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_pytorchs(nesterov):
    """v = momentum v + (g + decay w); w -= rate v, or rate (g + decay w + momentum v)."""
    rates, momentum, decay = (0.1, 0.01), 0.9, 0.02
    tx = sgd(multistep(rates, [1], 2), momentum=momentum, nesterov=nesterov, weight_decay=decay, decay_batch_norm=False)
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
