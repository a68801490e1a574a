from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from r3d_jax.errors import InputError
from r3d_jax.models.classifier import abstract_variables, build
from r3d_jax.models.presets import PRESETS
from r3d_jax.training.optim import adamw, factors_of_blocks, multistep, not_batch_norm, sgd


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


def gradients_of(step):
    return {"kernel": np.array([0.5, step - 1.0, 1e-4]), "scale": np.array([-0.3 * step])}


def pytorchs_adamw(w, gradients, *, rates, betas, epsilon, decay):
    """torch.optim.AdamW, line by line: w -= rate decay w; then Adam's step with both averages corrected."""
    m = v = 0.0
    for t, (g, rate) in enumerate(zip(gradients, rates), 1):
        w = w * (1 - rate * decay)
        m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g * g
        root = np.sqrt(v) / np.sqrt(1 - betas[1] ** t) + epsilon
        w = w - rate / (1 - betas[0] ** t) * m / root
    return w


@pytest.mark.parametrize("decay_batch_norm", [False, True])
def test_adamw_is_pytorchs_and_optaxs(decay_batch_norm):
    """Of both, with no decay of batch norm's scale unless it is asked for, and with factors of the learning rate."""
    rates, betas, epsilon, decay = (0.1, 0.1, 0.01, 0.01), (0.8, 0.95), 1e-3, 0.2
    schedule = multistep((0.1, 0.01), milestones=(1,), steps_per_epoch=2)
    leaves = {"kernel": jnp.array([1.0, -2.0, 0.5]), "scale": jnp.array([1.5])}
    params = {"trunk": {"conv": {"kernel": leaves["kernel"]}, "bn": {"scale": leaves["scale"]}}, "heads_0": {}}
    options = {"betas": betas, "epsilon": epsilon, "weight_decay": decay, "decay_batch_norm": decay_batch_norm}
    mask = {"trunk": {"conv": {"kernel": True}, "bn": {"scale": decay_batch_norm}}, "heads_0": {}}
    theirs = optax.adamw(schedule, b1=betas[0], b2=betas[1], eps=epsilon, weight_decay=decay, mask=mask)
    for factor in (1.0, 0.25, 0.0):
        found = {}
        for name, tx in (("ours", adamw(schedule, trunk_factor=factor, **options)), ("optax", theirs)):
            w, state = params, tx.init(params)
            for step in range(4):
                g = gradients_of(step)
                gradient = {"trunk": {"conv": {"kernel": g["kernel"]}, "bn": {"scale": g["scale"]}}, "heads_0": {}}
                updates, state = tx.update(gradient, state, w)
                w = optax.apply_updates(w, updates)
            found[name] = {"kernel": w["trunk"]["conv"]["kernel"], "scale": w["trunk"]["bn"]["scale"]}
        for name, start in leaves.items():
            of_this = decay if name == "kernel" or decay_batch_norm else 0.0
            expected = pytorchs_adamw(
                np.float64(start),
                [gradients_of(step)[name] for step in range(4)],
                rates=[factor * rate for rate in rates],
                betas=betas,
                epsilon=epsilon,
                decay=of_this,
            )
            np.testing.assert_allclose(found["ours"][name], expected, rtol=1e-5)
            if factor == 1:
                np.testing.assert_array_equal(found["ours"][name], found["optax"][name])
            if factor == 0:
                np.testing.assert_array_equal(found["ours"][name], start)


def test_adamws_learning_rate_decays_from_block_to_block_and_frozen_blocks_stay():
    ones = {"kernel": jnp.ones(1)}
    params = {"trunk": {"stem": ones, "stage1-block1": ones, "stage1-block10": ones}, "heads_0": ones}
    factors = factors_of_blocks(tuple(params["trunk"]), layer_decay=0.5, freeze_until="stem")
    tx = adamw(0.1, weight_decay=0.5, trunk_factor=0.5, block_factors=factors)
    state, gradient = tx.init(params), jax.tree.map(lambda x: 3 * x, params)
    for _ in range(3):
        updates, state = tx.update(gradient, state, params)
        params = optax.apply_updates(params, updates)

    def by_hand(rate):
        options = {"betas": (0.9, 0.999), "epsilon": 1e-8, "decay": 0.5}
        return pytorchs_adamw(1.0, [3.0] * 3, rates=[rate] * 3, **options)

    found = [float(each["kernel"][0]) for each in (*(params["trunk"][name] for name in factors), params["heads_0"])]
    assert found == pytest.approx([by_hand(0.1 * f) for f in (0, 0.125, 0.25, 1)], rel=1e-5) and found[0] == 1


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


BLOCKS = ("stem", "stage1-block1", "stage1-block10", "stage1-block10-bn")


def test_the_learning_rate_decays_from_block_to_block_below_the_head():
    assert factors_of_blocks(BLOCKS) is None
    assert factors_of_blocks(BLOCKS, layer_decay=0.5) == dict(zip(BLOCKS, (0.0625, 0.125, 0.25, 0.5)))
    frozen = factors_of_blocks(BLOCKS, layer_decay=0.5, freeze_until="stage1-block1")
    assert frozen == dict(zip(BLOCKS, (0, 0, 0.25, 0.5)))
    assert factors_of_blocks(BLOCKS, freeze_until="stage1") == dict.fromkeys(BLOCKS, 0)
    side_by_side = [f"{part}-path{p}" for part in ("stem", "neck") for p in (0, 1)]
    side_by_side += [f"pathway{p}-stage1-block{b}" for p in (0, 1) for b in (0, 1)]
    found = factors_of_blocks([*side_by_side, "joined"], layer_decay=0.5)
    depths = (5, 5, 4, 4, 3, 2, 3, 2, 1)
    assert list(found.values()) == [0.5**depth for depth in depths]
    with pytest.raises(
        InputError, match=r"no stage and no block 'stage2' .*its stages: stem, stage1; its blocks: stem, "
    ):
        factors_of_blocks(BLOCKS, freeze_until="stage2")


def test_three_steps_of_each_block_are_those_of_its_own_learning_rate():
    """v = momentum v + (g + decay w); w -= rate factor v, worked out by hand for each block."""
    leaves = ("stem/conv/kernel", "slow/stage1-block1/kernel", "stage1-block10/kernel", "stage1-block10-bn/scale")
    ones = {"kernel": jnp.ones(1)}
    trunk = {"stem": {"conv": ones}, "slow": {"stage1-block1": ones}, "stage1-block10": ones}
    trunk |= {"stage1-block10-bn": {"scale": jnp.ones(1)}}
    params = {"trunk": trunk, "heads_0": ones}
    factors = factors_of_blocks(BLOCKS, layer_decay=0.5, freeze_until="stem")
    tx = sgd(0.1, momentum=0.9, weight_decay=0.5, trunk_factor=0.5, block_factors=factors)
    state = tx.init(params)
    for _ in range(3):
        updates, state = tx.update(jax.tree.map(jnp.ones_like, params), state, params)
        params = jax.tree.map(jnp.add, params, updates)

    def by_hand(factor, decay):
        w, v = 1.0, 0.0
        for _ in range(3):
            v = 0.9 * v + 1 + decay * w
            w -= 0.1 * factor * v
        return w

    found = {"/".join(key.key for key in path): float(x[0]) for path, x in jax.tree_util.tree_leaves_with_path(params)}
    expected = [by_hand(factor, decay) for factor, decay in ((0, 0.5), (0.0625, 0.5), (0.125, 0.5), (0.25, 0))]
    assert found.pop("heads_0/kernel") == pytest.approx(by_hand(1, 0.5), rel=1e-6)
    assert found == pytest.approx({f"trunk/{name}": w for name, w in zip(leaves, expected)}, rel=1e-6)
    assert found["trunk/stem/conv/kernel"] == 1


def test_a_parameter_that_belongs_to_no_block_is_refused():
    params = {"trunk": {"neck": {"kernel": jnp.ones(1)}}}
    tx = sgd(0.1, block_factors=factors_of_blocks(BLOCKS, layer_decay=0.5))
    with pytest.raises(
        InputError, match="the trunk's parameter neck/kernel belongs to none of the blocks stem, stage1-"
    ):
        tx.update(params, tx.init(params), params)


def test_the_state_is_the_same_with_factors_and_without():
    params = {"trunk": {"stem": {"kernel": jnp.ones(1)}}, "heads_0": {"kernel": jnp.ones(1)}}
    for kind in (sgd, adamw):
        states = [kind(0.1, block_factors=factors).init(params) for factors in (None, {"stem": 0.5})]
        assert jax.tree.structure(states[0]) == jax.tree.structure(states[1])


FIRST = {type(trunk): name for name, trunk in reversed(PRESETS.items())}  # network of each kind of trunk


@pytest.mark.slow
@pytest.mark.parametrize("name", FIRST.values())
def test_every_trunk_can_be_frozen_up_to_its_stem_and_each_parameter_belongs_to_a_block(name):
    model = build(name, 3)
    variables = abstract_variables(model)
    tx = sgd(0.1, block_factors=factors_of_blocks(model.trunk.block_names(), layer_decay=0.5, freeze_until="stem"))
    params = variables["params"]
    updates, _ = jax.eval_shape(tx.update, params, jax.eval_shape(tx.init, params), params)
    assert jax.tree.structure(updates) == jax.tree.structure(params)
    options = {"train": True, "freeze_until": "stem", "mutable": ["batch_stats"]}
    jax.eval_shape(partial(model.apply, **options), variables, jnp.zeros((1, 32, 64, 64, 3)))
