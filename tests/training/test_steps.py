import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from seeded import case, clips, model, weights
from trunks import TINY

from r3d_jax.models.classifier import build, init_variables
from r3d_jax.models.norm import BatchNorm
from r3d_jax.training import steps
from r3d_jax.training.devices import pmap, replicate, split_over
from r3d_jax.training.optim import sgd
from r3d_jax.training.steps import TrainState, abstract_state, eval_step, init_state, train_step
from r3d_jax.weights.torch_names import from_torch

MODEL = build("r3d_18", 5, **TINY)
TX = sgd(lambda _: 0.1, momentum=0.9, nesterov=False, weight_decay=1e-4, decay_batch_norm=False)


COMPILED = {}  # steps, shared by the tests that need the same


def run(state, batches, devices, *, model=MODEL, **changes):
    """The state after, and the metrics of, a step on each of `batches`."""
    state, metrics = replicate(state, devices), []
    for batch in batches:
        batch = split_over(batch, devices)
        key = (model, *changes.items(), batch["clip"].shape, batch["clip"].dtype, len(batch))
        if key not in COMPILED:
            static = {"model": model, "tx": TX, "seed": 0, **changes}
            COMPILED[key] = pmap(train_step, state, batch, devices=devices, **static)
        state, numbers = COMPILED[key](state, batch)
        metrics.append(numbers)
    return state, metrics


@pytest.fixture
def batches(rng):
    return [
        {"clip": rng.integers(0, 256, (8, 4, 32, 32, 3), np.uint8), "label": np.arange(8, dtype=np.int32) % 5}
        for _ in range(3)
    ]


@pytest.fixture(scope="module")
def start():
    return init_state(MODEL, TX, 0, (4, 32, 32, 3))


def close(found, expected, rtol):
    """Relative to the largest value of each array."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(expected):
        other = found
        for key in path:
            other = other[getattr(key, "key", getattr(key, "idx", None))]
        scale = max(np.abs(leaf).max(), 1e-6)
        assert np.abs(other - leaf).max() <= rtol * scale, jax.tree_util.keystr(path)


def three_steps(devices, monkeypatch, tx=TX):
    """The variables after three steps on the reference's batch, ours and its own."""
    monkeypatch.setattr(steps, "normalise", lambda x, model: x)  # the case's input is normalised already
    options, expected = case("classy_tiny_basic_train")
    start = jax.tree.map(jnp.asarray, weights(options))
    state = TrainState(jnp.zeros((), jnp.int32), start["params"], start["batch_stats"], tx.init(start["params"]))
    batch = {"clip": clips(options), "label": np.array(options["train"]["labels"], np.int32)}
    state, batch = replicate(state, devices), split_over(batch, devices)
    compiled = pmap(train_step, state, batch, devices=devices, model=model(options), tx=tx, seed=0)
    losses = []
    for _ in range(3):
        state, numbers = compiled(state, batch)
        losses.append(numbers["loss"])
    np.testing.assert_allclose(losses, expected["losses"], rtol=1e-4)
    after = {name.removeprefix("after/"): value for name, value in expected.items() if name.startswith("after/")}
    assert int(state.step) == 3
    return jax.device_get(state.variables), from_torch(after, model(options))


@pytest.mark.parametrize("count", [1, 2])
def test_three_steps_are_the_references(count, devices, monkeypatch):
    close(*three_steps(devices[:count], monkeypatch), 1e-4)


def test_decay_on_batch_norm_and_a_biased_running_variance_are_noticed(devices, monkeypatch):
    statistics = BatchNorm._batch_statistics
    monkeypatch.setattr(BatchNorm, "_batch_statistics", lambda *args: (*statistics(*args)[:2], 10**9))
    decaying = sgd(lambda _: 0.1, momentum=0.9, nesterov=False, weight_decay=1e-4, decay_batch_norm=True)
    found, expected = three_steps(devices[:1], monkeypatch, decaying)
    with pytest.raises(AssertionError, match=r"\['bn\d'\]\['(scale|bias)'\]"):
        close(found["params"], expected["params"], 1e-4)
    with pytest.raises(AssertionError, match=r"\['bn\d'\]\['var'\]"):
        close(found["batch_stats"], expected["batch_stats"], 1e-4)


def test_two_devices_are_one_on_the_same_batch(start, batches, devices):
    one, losses = run(start, batches, devices[:1])
    two, same = run(start, batches, devices)
    close(jax.device_get(two.variables), jax.device_get(one.variables), 1e-5)
    np.testing.assert_allclose([m["loss"] for m in same], [m["loss"] for m in losses], rtol=1e-5)


def test_batch_norm_can_stay_local_to_a_device(start, batches, devices):
    shared, _ = run(start, batches[:1], devices)
    local, _ = run(start, batches[:1], devices, sync_batch_norm=False)
    differences = jax.tree.map(lambda a, b: float(np.abs(a - b).max()), *map(jax.device_get, (shared, local)))
    assert max(jax.tree.leaves(differences.batch_stats)) > 1e-4


def test_a_step_is_a_function_of_its_arguments(start, batches, devices):
    first, _ = run(start, batches, devices)
    second, _ = run(start, batches, devices)
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, *map(jax.device_get, (first, second)))))


def test_dropout_differs_between_steps(start, batches, devices):
    dropping = build("r3d_18", 5, dropout=0.5, **TINY)
    later = start._replace(step=jnp.ones((), jnp.int32))
    first, again, other = (
        run(state, batches[:1], devices, model=dropping)[1][0]["loss"].item() for state in (start, start, later)
    )
    assert first == again != other


def test_micro_batches_are_the_batch_but_for_batch_norm(start, batches, devices):
    clip, label = batches[0]["clip"][:4], batches[0]["label"][:4]
    # Each half has the statistics of the whole.
    batch = {"clip": np.concatenate([clip, clip]), "label": np.concatenate([label, label])}
    whole, (one,) = run(start, [batch], devices[:1])
    parts, (other,) = run(start, [batch], devices[:1], micro_batches=2)
    close(jax.device_get(parts.params), jax.device_get(whole.params), 1e-5)
    assert float(other["loss"]) == pytest.approx(float(one["loss"]), rel=1e-5)
    assert float(other["accuracy"]) == float(one["accuracy"])
    # The running statistics have moved twice.
    fresh, once, twice = (jax.tree.leaves(state.batch_stats)[0] for state in (start, whole, parts))
    np.testing.assert_allclose(twice - fresh, 1.9 * (once - fresh), rtol=1e-4, atol=1e-6)


def test_recomputed_stages_change_no_value_and_take_less_memory(start, batches, devices):
    kept, _ = run(start, batches[:1], devices[:1])
    again, _ = run(start, batches[:1], devices[:1], remat=(1, 2))
    close(jax.device_get(again.params), jax.device_get(kept.params), 1e-5)

    deep = build("r3d_18", 5, **TINY | {"blocks": (4, 1)})
    state, batch = abstract_state(deep, TX, devices[:1]), split_over(batches[0], devices[:1])
    sizes = [
        pmap(train_step, state, batch, devices=devices[:1], model=deep, tx=TX, seed=0, remat=stages)
        .memory_analysis()
        .temp_size_in_bytes
        for stages in ((), (1,))
    ]
    assert sizes[1] < 0.75 * sizes[0]


def test_bfloat16_activations_leave_parameters_and_statistics_float32(start, batches, devices):
    exact, (one,) = run(start, batches[:1], devices)
    rough, (other,) = run(start, batches[:1], devices, dtype="bfloat16")
    assert {leaf.dtype for leaf in jax.tree.leaves(rough.variables)} == {jnp.dtype("float32")}
    assert 0 < abs(float(other["loss"]) - float(one["loss"])) < 0.02 * float(one["loss"])
    apart, moved = (jax.tree.map(jnp.subtract, exact.params, other) for other in (rough.params, start.params))
    assert optax.tree.norm(apart) < 0.1 * optax.tree.norm(moved)


def test_a_device_that_asks_to_stop_is_heard_by_all(start, batches, devices):
    state, batch = replicate(start, devices), split_over(batches[0], devices)
    run(start, batches[:1], devices)
    (compiled,) = [step for key, step in COMPILED.items() if key == (MODEL, batch["clip"].shape, np.uint8, 3)]
    assert int(compiled(state, batch)[1]["stop"]) == 0
    asked = np.array([[0], [1]], np.int32)
    batch["stop"] = jax.device_put(asked, batch["stop"].sharding)
    assert int(compiled(state, batch)[1]["stop"]) == 1


def test_a_donated_state_is_used_up(start, batches, devices):
    state, batch = replicate(start, devices[:1]), split_over(batches[0], devices[:1])
    state = jax.tree.map(jnp.copy, state)
    compiled = pmap(train_step, state, batch, devices=devices[:1], donate=True, model=MODEL, tx=TX, seed=0)
    compiled(state, batch)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state.params))


def test_a_frozen_trunk_keeps_parameters_and_statistics_bit_for_bit(start, batches, devices):
    tx = sgd(lambda _: 0.1, momentum=0.9, nesterov=True, weight_decay=1e-4, decay_batch_norm=False, trunk_factor=0.0)
    state, batch = replicate(start._replace(opt_state=tx.init(start.params)), devices), split_over(batches[0], devices)
    frozen = pmap(train_step, state, batch, devices=devices, model=MODEL, tx=tx, seed=0, freeze_trunk=True)
    for _ in range(2):
        state, _ = frozen(state, batch)
    for before, after in ((start.params, state.params), (start.batch_stats, state.batch_stats)):
        assert all(jax.tree.leaves(jax.tree.map(np.array_equal, before["trunk"], jax.device_get(after["trunk"]))))
    assert not np.array_equal(start.params["heads_0"]["kernel"], state.params["heads_0"]["kernel"])


@pytest.fixture(scope="module")
def tested():
    """Seven videos and a network that tells them apart."""
    rng = np.random.default_rng(1)
    videos = {
        "clips": rng.integers(0, 256, (7, 3, 4, 32, 40, 3), np.uint8),
        "label": rng.integers(0, 5, 7).astype(np.int32),
        "valid": np.ones(7, bool),
    }
    return videos, init_variables(MODEL, jax.random.key(3), (4, 32, 32, 3))


def evaluate(videos, weights, devices, batch_size):
    totals, compiled = {}, None
    weights = replicate(weights, devices)
    for first in range(0, 7, batch_size):
        rows = np.arange(first, first + batch_size)
        batch = {name: values[rows % 7] for name, values in videos.items()} | {"valid": rows < 7}
        batch = split_over(batch, devices)
        compiled = compiled or pmap(eval_step, weights, batch, devices=devices, model=MODEL)
        for name, value in compiled(weights, batch).items():
            totals[name] = totals.get(name, 0) + value.item()
    return totals


def test_seven_videos_in_batches_of_four_on_two_devices_count_as_one_at_a_time(tested, devices):
    videos, weights = tested
    expected = evaluate(videos, weights, devices[:1], 1)
    found = evaluate(videos, weights, devices, 4)
    assert found["videos"] == 7 and found["clips"] == 21
    assert found.pop("loss") == pytest.approx(expected.pop("loss"), rel=1e-5)
    assert found == expected


def test_the_loss_of_mixed_clips_is_shared_by_both_labels(start, batches, devices):
    def loss(**changes):
        _, (metrics,) = run(start, [batches[0] | changes], devices)
        return float(metrics["loss"])

    label, other = batches[0]["label"], batches[0]["label"][::-1].copy()
    share = np.linspace(0, 1, 8, dtype=np.float32)
    assert loss(other=other, share=np.ones(8, np.float32)) == pytest.approx(loss(label=label), rel=1e-6)
    assert loss(other=other, share=np.zeros(8, np.float32)) == pytest.approx(loss(label=other), rel=1e-6)
    # The loss is linear in the shares.
    ends = [loss(other=other, share=np.where(share > 0.5, a, b).astype(np.float32)) for a, b in ((1, 0), (0, 1))]
    assert sum(ends) == pytest.approx(loss(label=label) + loss(label=other), rel=1e-5)
    assert loss(other=other, share=share) != pytest.approx(ends[0], rel=1e-3)
