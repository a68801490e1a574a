from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from seeded import case, clips, model, weights
from trunks import FAST, ONE, SOON, TINY, draw_variables

from r3d_jax.errors import InputError
from r3d_jax.models import conv3d
from r3d_jax.models.classifier import build, init_variables
from r3d_jax.models.norm import BatchNorm
from r3d_jax.training import steps
from r3d_jax.training.devices import placed, pmap, replicate, split_over
from r3d_jax.training.optim import factors_of_blocks, sgd
from r3d_jax.training.state import abstract_state, first_state, init_state
from r3d_jax.training.steps import eval_step, train_step
from r3d_jax.video.clips import ClipSpec
from r3d_jax.weights.torch_names import torch_names

pytestmark = pytest.mark.slow

MODEL = build("r3d_18", 5, **ONE)
TX = sgd(0.1)
CLIP = ClipSpec(frames=4, crop=32, train_sizes=(32, 32))


COMPILED = {}  # steps, shared by the tests that need the same


def run(state, batches, devices, *, model=MODEL, **changes):
    """The state after, and the metrics of, a step on each of `batches`."""
    state, metrics = replicate(state, devices), []
    for batch in batches:
        batch = split_over(batch, devices)
        key = (model, *changes.items(), batch["clip"].shape, batch["clip"].dtype, len(batch))
        if key not in COMPILED:
            static = {"model": model, "tx": TX, **changes}
            COMPILED[key] = pmap(train_step, state, batch, devices=devices, **static)
        (state, numbers), _ = COMPILED[key](state, batch)
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
    return init_state(MODEL, TX, clip=CLIP)


def close(found, expected, rtol):
    """Relative to the largest value of each array."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(expected):
        other = found
        for key in path:
            other = other[getattr(key, "key", getattr(key, "idx", None))]
        scale = max(np.abs(leaf).max(), 1e-6)
        assert np.abs(other - leaf).max() <= rtol * scale, jax.tree_util.keystr(path)


# One case has basic blocks, the other pre-activated bottlenecks.
CASES = ("classy_tiny_basic_train64", "classy_tiny_preact_train64")


def three_steps(name, devices, monkeypatch, **changes):
    """Losses and the state dict after three steps in float64 on the reference's batch: ours and its own."""

    monkeypatch.setattr(steps, "normalise", lambda x, model: x)  # the case's input is normalised already
    monkeypatch.setattr("r3d_jax.training.devices.compiler_options", lambda platform: FAST)
    # What computes a convolution has tests of its own; this is compiled in two thirds of the time.
    monkeypatch.setattr(conv3d, "form_for_cpu", lambda *_, **__: (conv3d.native, False))
    options, expected = case(name)
    train, network = options["train"], model(options)
    settings = {name: train[name] for name in ("momentum", "nesterov", "weight_decay")}
    tx = sgd(train["lr"], **settings | changes)
    with jax.enable_x64(True):
        start = jax.tree.map(np.float64, weights(options))
        state = replicate(first_state(start, tx), devices)
        batch = {"clip": np.float64(clips(options)), "label": np.array(train["labels"], np.int32)}
        batch = split_over(batch, devices)
        compiled = pmap(train_step, state, batch, devices=devices, model=network, tx=tx, dtype="float64")
        losses = []
        for _ in range(train["steps"]):
            (state, numbers), _ = compiled(state, batch)
            losses.append(numbers["loss"])
        assert int(state.step) == train["steps"] and losses[0].dtype == jnp.float64
        return np.array(losses), as_torch(jax.device_get(state.variables), network), expected


def as_torch(variables, network):
    """{name: array} as in ClassyVision's state dict, in the arrays' own precision."""
    tensors = {}
    for name, (path, _) in torch_names(network, "classyvision").items():
        value = variables
        for key in path:
            value = value[key]
        tensors[name] = value if value.ndim < 2 else np.moveaxis(value, (-1, -2), (0, 1))
    return tensors


def differing(found, expected, tolerance=1e-8):
    """Names of the tensors that are not the reference's: of each it holds up to 500 values and the norm of all."""
    names = [name.removeprefix("after/") for name in expected if name.startswith("after/")]
    assert set(names) == set(found)
    apart = []
    for name in names:
        value, sample = found[name].ravel(), expected[f"after/{name}"]
        scale, norm = np.abs(sample).max(), expected[f"norm/{name}"]
        places = value[:: max(1, -(-value.size // 500))]
        if np.abs(places - sample).max() > tolerance * scale or abs(np.linalg.norm(value) - norm) > tolerance * norm:
            apart.append(name)
    return apart


@pytest.mark.parametrize("name, count", [(CASES[0], 1), (CASES[0], 2), (CASES[1], 1)])
def test_three_steps_are_the_references(name, count, devices, monkeypatch):
    losses, found, expected = three_steps(name, devices[:count], monkeypatch)
    np.testing.assert_allclose(losses, expected["losses"], rtol=1e-9)
    assert not differing(found, expected)


def test_decay_on_batch_norm_and_a_biased_running_variance_are_noticed(devices, monkeypatch):
    statistics = BatchNorm._batch_statistics
    monkeypatch.setattr(BatchNorm, "_batch_statistics", lambda *args: (*statistics(*args)[:2], 10**9))
    _, found, expected = three_steps(CASES[0], devices[:1], monkeypatch, decay_batch_norm=True)
    scales = {name for name, value in found.items() if name.endswith("weight") and value.ndim == 1}
    variances = {name for name in found if name.endswith("running_var")}
    assert len(scales) == len(variances) == 20
    assert scales | variances <= set(differing(found, expected))


def test_two_devices_are_one_on_the_same_batch(start, batches, devices):
    one, losses = run(start, batches, devices[:1])
    two, same = run(start, batches, devices)
    close(jax.device_get(two.variables), jax.device_get(one.variables), 1e-5)
    np.testing.assert_allclose([m["loss"] for m in same], [m["loss"] for m in losses], rtol=1e-5)


def test_two_devices_are_one_for_twenty_steps_but_for_rounding(start, devices, rng):
    """In float32 a deeper network's rounding grows, as ReLUs near zero take the other side; so in float64."""
    clip = rng.integers(0, 256, (20, 8, 2, 8, 8, 3), np.uint8)
    batches = [{"clip": each, "label": np.arange(8, dtype=np.int32) % 5} for each in clip]
    ends, moving = [], sgd(0.1, momentum=0.9)
    with jax.enable_x64(True):
        variables = jax.tree.map(np.float64, start.variables)
        for count in (1, 2):
            state, some = first_state(variables, moving), devices[:count]
            state, split = replicate(state, some), [split_over(batch, some) for batch in batches]
            compiled = pmap(train_step, state, split[0], devices=some, model=MODEL, tx=moving, dtype="float64")
            for batch in split:
                (state, _), _ = compiled(state, batch)
            ends.append(jax.device_get(state))
    one, two = ends
    assert int(one.step) == 20 and one.params["heads_0"]["kernel"].dtype == np.float64
    close(two.variables, one.variables, 1e-9)
    changes = jax.tree.map(lambda a, b: np.abs(a - b).max(), one.params, jax.device_get(variables)["params"])
    assert min(jax.tree.leaves(changes)) > 1e-3  # it has learned something meanwhile


def test_batch_norm_can_stay_local_to_a_device(start, batches, devices):
    clip = batches[0]["clip"]
    uneven = [batches[0] | {"clip": np.concatenate([clip[:4], clip[4:] // 4])}]
    shared, _ = run(start, uneven, devices)
    local, _ = run(start, uneven, devices, sync_batch_norm=False)
    differences = jax.tree.map(lambda a, b: float(np.abs(a - b).max()), *map(jax.device_get, (shared, local)))
    assert max(jax.tree.leaves(differences.batch_stats)) > 1e-4


def test_a_step_is_a_function_of_its_arguments(start, batches, devices):
    first, _ = run(start, batches, devices)
    second, _ = run(start, batches, devices)
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, *map(jax.device_get, (first, second)))))


def test_dropout_differs_between_steps(start, batches, devices):
    dropping = build("r3d_18", 5, dropout=0.5, **ONE)
    later = start._replace(step=jnp.ones((), jnp.int32))
    first, again, other = (
        run(state, batches[:1], devices, model=dropping)[1][0]["loss"].item() for state in (start, start, later)
    )
    assert first == again != other


def test_accumulated_gradients_are_the_batchs_but_for_batch_norm(start, batches, devices):
    clip, label = batches[0]["clip"][:4], batches[0]["label"][:4]
    # Each half has the statistics of the whole.
    batch = {"clip": np.concatenate([clip, clip]), "label": np.concatenate([label, label])}
    whole, (one,) = run(start, [batch], devices[:1])
    parts, (other,) = run(start, [batch], devices[:1], gradient_accumulation=2)
    close(jax.device_get(parts.params), jax.device_get(whole.params), 1e-5)
    assert float(other["loss"]) == pytest.approx(float(one["loss"]), rel=1e-5)
    assert float(other["accuracy"]) == float(one["accuracy"])
    # The running statistics have moved twice.
    fresh, once, twice = (jax.tree.leaves(state.batch_stats)[0] for state in (start, whole, parts))
    np.testing.assert_allclose(twice - fresh, 1.9 * (once - fresh), rtol=1e-4, atol=1e-6)


def test_a_weighted_mean_is_taken_over_all_devices_and_parts(start, batches, devices):
    """torch: sum(w[y] CE) / sum(w[y]), with labels that weigh otherwise on each device and in each part."""
    weights, smoothing = (0.1, 1.0, 2.0, 5.0, 9.0), 0.2
    label = np.array([0, 0, 0, 1, 4, 4, 3, 2], np.int32)
    quarter = batches[0]["clip"][:2]
    batch = {"clip": np.concatenate([quarter] * 4), "label": label}  # each part has the statistics of the whole
    options = {"label_smoothing": smoothing, "class_weights": weights}
    whole, (metrics,) = run(start, [batch], devices[:1], **options)
    logits, _ = MODEL.apply(
        start.variables, steps.normalise(batch["clip"], model=MODEL), train=True, mutable=["batch_stats"]
    )
    log = np.asarray(jax.nn.log_softmax(logits))
    losses = [-0.8 * weights[y] * row[y] - 0.2 / 5 * np.dot(weights, row) for y, row in zip(label, log)]
    assert float(metrics["loss"]) == pytest.approx(sum(losses) / sum(weights[y] for y in label), rel=1e-4)
    parts, (other,) = run(start, [batch], devices, gradient_accumulation=2, **options)
    assert float(other["loss"]) == pytest.approx(float(metrics["loss"]), rel=1e-5)
    close(jax.device_get(parts.params), jax.device_get(whole.params), 1e-5)


def test_recomputed_stages_change_no_value_and_take_less_memory(start, batches, devices):
    kept, _ = run(start, batches[:1], devices[:1])
    again, _ = run(start, batches[:1], devices[:1], remat=(1,))
    close(jax.device_get(again.params), jax.device_get(kept.params), 1e-5)

    deep = build("r3d_18", 5, **ONE | {"blocks": (4,)})
    state, batch = placed(abstract_state(deep, TX), devices[:1]), split_over(batches[0], devices[:1])
    sizes = [
        pmap(train_step, state, batch, devices=devices[:1], model=deep, tx=TX, remat=stages)
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
    ends = jax.device_get([exact.params, rough.params, start.params])
    apart, moved = (jax.tree.map(np.subtract, ends[0], other) for other in ends[1:])
    norm = jax.jit(optax.tree.norm)
    assert norm(apart) < 0.1 * norm(moved)


def test_a_frozen_trunk_keeps_parameters_and_statistics_bit_for_bit(start, batches, devices):
    tx = sgd(0.1, nesterov=True, trunk_factor=0.0)
    state, batch = replicate(start._replace(opt_state=tx.init(start.params)), devices), split_over(batches[0], devices)
    frozen = pmap(train_step, state, batch, devices=devices, model=MODEL, tx=tx, freeze_trunk=True)
    for _ in range(2):
        (state, _), _ = frozen(state, batch)
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
        for name, value in compiled(weights, batch)[0].items():
            totals[name] = totals.get(name, 0) + np.array(value)
    return totals


def test_seven_videos_in_batches_of_four_on_two_devices_count_as_one_at_a_time(tested, devices):
    videos, weights = tested
    expected = evaluate(videos, weights, devices[:1], 1)
    found = evaluate(videos, weights, devices, 4)
    assert found["videos"] == 7 and found["clips"] == 21
    assert found.pop("loss") == pytest.approx(expected.pop("loss"), rel=1e-5)
    assert {name: total.tolist() for name, total in found.items()} == {n: t.tolist() for n, t in expected.items()}


def test_the_loss_of_mixed_clips_is_shared_by_both_labels(start, batches, devices):
    def loss(**changes):
        _, (metrics,) = run(start, [batches[0] | changes], devices)
        return float(metrics["loss"])

    label, other = batches[0]["label"], batches[0]["label"][::-1].copy()
    weight = np.linspace(0, 1, 8, dtype=np.float32)
    assert loss(other=other, weight=np.ones(8, np.float32)) == pytest.approx(loss(label=label), rel=1e-6)
    assert loss(other=other, weight=np.zeros(8, np.float32)) == pytest.approx(loss(label=other), rel=1e-6)
    # The loss is linear in the shares.
    ends = [loss(other=other, weight=np.where(weight > 0.5, a, b).astype(np.float32)) for a, b in ((1, 0), (0, 1))]
    assert sum(ends) == pytest.approx(loss(label=label) + loss(label=other), rel=1e-5)
    assert loss(other=other, weight=weight) != pytest.approx(ends[0], rel=1e-3)


def test_frozen_blocks_keep_parameters_and_statistics_bit_for_bit_and_the_others_move(batches):
    model = build("r3d_18", 5, **TINY)
    blocks = model.trunk.block_names()
    tx = sgd(0.1, weight_decay=0.1, block_factors=factors_of_blocks(blocks, freeze_until="stage1"))
    start = state = first_state(draw_variables(model), tx)
    step = jax.jit(partial(train_step, model=model, tx=tx, freeze_until="stage1"), compiler_options=SOON)
    for batch in batches[:2]:
        state, _ = step(state, {name: values[:4] for name, values in batch.items()})
    for block in blocks:
        for before, after in ((start.params, state.params), (start.batch_stats, state.batch_stats)):
            same = jax.tree.map(np.array_equal, *(jax.device_get(tree["trunk"][block]) for tree in (before, after)))
            assert set(jax.tree.leaves(same)) == {block != "pathway0-stage2-block0"}, block
    assert not np.array_equal(start.params["heads_0"]["kernel"], state.params["heads_0"]["kernel"])


def test_a_frozen_trunk_is_one_that_is_frozen_up_to_its_last_block(batches):
    variables, batch = draw_variables(MODEL), batches[0]
    state = first_state(variables, TX)
    found = [
        str(jax.make_jaxpr(partial(train_step, model=MODEL, tx=TX, **options))(state, batch))
        for options in ({"freeze_trunk": True}, {"freeze_until": "stage1"}, {})
    ]
    assert found[0] == found[1] != found[2]


def test_frozen_batch_norm_trains_all_but_the_statistics(batches):
    """The gradient is that of the network as it is in testing, whose statistics are the running ones."""
    variables, batch = draw_variables(MODEL), batches[0]
    tx = sgd(0.1, momentum=0.0, weight_decay=0.0)
    state = first_state(variables, tx)
    found, metrics = jax.jit(partial(train_step, model=MODEL, tx=tx, freeze_batch_norm=True))(state, batch)

    def loss(params):
        clips = (batch["clip"] / 255.0 - np.array(MODEL.mean, np.float32)) / np.array(MODEL.std, np.float32)
        logits = MODEL.apply({"params": params, "batch_stats": variables["batch_stats"]}, jnp.float32(clips))
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch["label"]).mean()

    expected, gradients = jax.device_get(jax.jit(jax.value_and_grad(loss))(variables["params"]))
    np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-4)
    close(found.params, jax.tree.map(lambda x, g: x - 0.1 * g, variables["params"], gradients), 1e-3)
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, found.batch_stats, variables["batch_stats"])))
    moved = jax.tree.map(lambda x, y: not np.array_equal(x, y), found.params, variables["params"])
    assert all(jax.tree.leaves(moved))


def test_an_average_is_torchvisions_of_weights_and_statistics(start, batches, devices):
    """Its ExponentialMovingAverage copies what the first step leaves; then a = d a + (1 - d) x, buffers too."""
    decay, expected, state = 0.75, None, start
    averaging = start.averaging()
    for batch in batches:
        state, _ = run(state, [batch], devices[:1])
        here = jax.device_get(state.variables)
        expected = expected or here
        expected = jax.tree.map(lambda a, x: decay * np.float64(a) + (1 - decay) * x, expected, here)
        averaging, _ = run(averaging, [batch], devices[:1], ema_decay=decay)
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, averaging.params, state.params)))
    close(jax.device_get(averaging.averaged), expected, 1e-5)
    assert max(jax.tree.leaves(jax.tree.map(lambda a, x: float(np.abs(a - x).max()), expected, here))) > 1e-3


def test_a_step_on_several_labels_is_the_gradient_of_the_binary_cross_entropy(batches, devices, start):
    """With plain SGD the change of the head's bias is its gradient: the mean of sigmoid - label over the classes."""
    model = build("r3d_18", 5, **ONE, activation="sigmoid")
    labels = (np.arange(40).reshape(8, 5) % 3 == 0).astype(np.uint8)
    batch = batches[0] | {"label": labels}
    logits, _ = model.apply(
        start.variables,
        steps.normalise(batch["clip"], model=model),
        train=True,
        mutable=["batch_stats"],
        rngs={"dropout": jax.random.key(0)},
    )
    after, metrics = run(start, [batch], devices, model=model)
    slope = (1 / (1 + np.exp(-np.float64(logits))) - labels) / (8 * 5)
    before, now = start.params["heads_0"]["bias"], np.asarray(after.params["heads_0"]["bias"])
    close(now - before, -0.1 * slope.sum(0), 3e-3)
    best = np.asarray(logits).argmax(1)
    assert float(metrics[0]["accuracy"]) == pytest.approx(labels[np.arange(8), best].mean())


def test_several_labels_are_refused_where_classes_exclude_each_other(batches, start):
    batch = batches[0] | {"label": np.ones((8, 5), np.uint8)}
    with pytest.raises(InputError, match='build the network with activation="sigmoid"'):
        jax.eval_shape(partial(train_step, model=MODEL, tx=TX), start, batch)


@pytest.mark.parametrize("options", [{"label_smoothing": 0.1}, {"class_weights": (1.0,) * 5}])
def test_several_labels_are_refused_where_a_clip_is_to_have_one(batches, start, options):
    labels = np.zeros((8, 5), np.uint8)
    several = build("r3d_18", 5, activation="sigmoid", **ONE)
    with pytest.raises(InputError, match="`label_smoothing` and `class_weights` are for one label each, and these"):
        jax.eval_shape(partial(train_step, model=several, tx=TX, **options), start, batches[0] | {"label": labels})


def test_scores_of_all_devices_come_together_however_they_are_mapped(batches, devices, start):
    model = build("r3d_18", 5, **ONE, activation="sigmoid")
    labels = (np.arange(20).reshape(4, 5) % 3 == 0).astype(np.uint8)
    batch = {"clips": batches[0]["clip"].reshape(4, 2, 4, 32, 32, 3), "label": labels}
    batch |= {"valid": np.array([True, True, False, True])}
    expected = jax.jit(partial(eval_step, model=model))(start.variables, batch)
    mesh, spec = jax.sharding.Mesh(devices, ("batch",)), jax.sharding.PartitionSpec
    mapped = jax.shard_map(
        partial(eval_step, model=model, axis_name="batch"),
        mesh=mesh,
        in_specs=(spec(), spec("batch")),
        out_specs=spec(),
    )
    found = jax.jit(mapped)(start.variables, batch)
    assert found.keys() == expected.keys() == {"videos", "clips", "loss", "scores", "labels", "valid"}
    np.testing.assert_array_equal(found["labels"], labels)
    numbers = [{name: each[name] for name in ("videos", "clips", "loss", "scores")} for each in (found, expected)]
    close(*jax.device_get(numbers), 1e-5)
    assert found["valid"].tolist() == [True, True, False, True]
