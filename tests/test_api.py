"""The five steps as a user writes them: public names alone, plain `jax.jit`, `jax.pmap` and `jax.shard_map`."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import jax
import numpy as np
import optax
import pytest
from trunks import ONE

import r3d_jax as r3d
from r3d_jax.data.demo import draw_video

ROOT = Path(__file__).parents[1]

# At most 30 lines, from the README and `help()` alone; a thin network, so that it takes seconds.
SCRIPT = """
import sys
from functools import partial
import jax
import r3d_jax as r3d

folder, run = sys.argv[1:]
videos = r3d.data.UCF101(source=folder, splits="ucfTrainTestlist_mini", data_dir=run + "-data").load()
clip = r3d.ClipSpec(frames=8, crop=32, train_sizes=(36, 40), test_size=36, views=2)
train = r3d.data.train_batches(videos, "train", clip, fold=1, batch_size=8, seed=0)
test = r3d.data.eval_batches(videos, "test", clip, fold=1, batch_size=4)
model = r3d.build("r3d_18", len(videos.class_names), blocks=(1, 1), planes=4, stem_planes=4)
rate = r3d.multistep((0.02, 0.002), milestones=(1,), steps_per_epoch=len(train))
tx = r3d.sgd(rate, momentum=0.9, weight_decay=1e-4)
state = r3d.init_state(model, tx, seed=0, clip=clip)
step = jax.jit(partial(r3d.train_step, model=model, tx=tx))
for k in range(2 * len(train)):
    state, metrics = step(state, train[k])
print(r3d.evaluate(model, state.variables, test))
r3d.save(run, model, state, videos.class_names, clip)
network = r3d.load(run)
for found in r3d.predict(network, [folder + "/UCF-101/YoYo/v_YoYo_g01_c01.avi"]):
    print(network.class_names[found.probabilities.argmax()], found.probabilities.max())
"""


@pytest.mark.slow
def test_a_newcomers_script_does_the_five_steps_on_real_videos(ucf101_mini, tmp_path):
    assert len(SCRIPT.strip().splitlines()) <= 30
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "script.py"), str(ucf101_mini), str(tmp_path / "run")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    *_, summary, predicted = done.stdout.splitlines()
    assert "'video_top1': " in summary and "'videos': 16" in summary and "'missing': 0" in summary
    name, probability = predicted.split()
    classes = (ucf101_mini / "ucfTrainTestlist_mini" / "classInd.txt").read_text().split()[1::2]
    assert name in classes and 0 < float(probability) <= 1


CLIP = r3d.ClipSpec(frames=4, crop=16, train_sizes=(16, 18), test_size=16, views=2)
MODEL = r3d.build("r3d_18", 8, dropout=0.2, **ONE)


@pytest.fixture(scope="module")
def batches(demo_videos):
    return r3d.data.train_batches(demo_videos, "train", CLIP, batch_size=8)


@pytest.fixture(scope="module")
def adam(batches):
    """The optimiser, the first state, and the state and metrics after two steps under `jax.jit`."""
    tx = optax.adam(1e-3)
    first = r3d.init_state(MODEL, tx, clip=CLIP)
    return tx, first, *two_steps(jax.jit(partial(r3d.train_step, model=MODEL, tx=tx)), first, batches)


def two_steps(step, state, batches, of=lambda x: x):
    for k in range(2):
        state, metrics = step(state, jax.tree.map(of, arrays(batches[k])))
    return jax.device_get(state), jax.device_get(metrics)


def first_of_two(step, state, batches, of):
    """The state after one step and the metrics of a second; after that, a ReLU at zero may have gone either way."""
    first, _ = step(state, jax.tree.map(of, arrays(batches[0])))
    return jax.device_get(first), two_steps(step, state, batches, of)[1]


def arrays(batch):
    return {"clip": batch["clip"], "label": batch["label"]}


@pytest.mark.slow
def test_plain_jit_and_any_optimiser_train_it_on_a_batch_as_it_comes(adam, batches):
    tx, first, state, metrics = adam
    again, _ = jax.jit(partial(r3d.train_step, model=MODEL, tx=tx))(first, batches[0])  # with what else is in a batch
    assert int(again.step) == 1 and int(state.step) == 2
    assert 0 < metrics["loss"] < 4 and set(metrics) == {"loss", "accuracy"}
    moved = jax.tree.map(lambda a, b: float(np.abs(a - b).max()), first.params, state.params)
    assert all(0 < each < 0.1 for each in jax.tree.leaves(moved))


@pytest.mark.slow
@pytest.mark.parametrize("sync_batch_norm", [True, False])
def test_pmap_and_shard_map_are_one_step(batches, devices, sync_batch_norm):
    tx = r3d.sgd(0.1)
    first = r3d.init_state(MODEL.clone(heads=(r3d.models.Head(8),)), tx, clip=CLIP)
    static = {"model": MODEL.clone(heads=(r3d.models.Head(8),)), "tx": tx}
    step = partial(r3d.train_step, **static, axis_name="batch", sync_batch_norm=sync_batch_norm)
    mapped = jax.pmap(step, axis_name="batch", in_axes=(None, 0), out_axes=(None, None), devices=devices)
    split, whole = jax.sharding.PartitionSpec("batch"), jax.sharding.PartitionSpec()
    mesh = jax.sharding.Mesh(devices, ("batch",))
    sharded = jax.jit(jax.shard_map(step, mesh=mesh, in_specs=(whole, split), out_specs=whole))
    found = [
        first_of_two(mapped, first, batches, lambda x: x.reshape(2, -1, *x.shape[1:])),
        first_of_two(sharded, first, batches, lambda x: x),
    ]
    if sync_batch_norm:  # then devices do not matter at all
        found.append(first_of_two(jax.jit(partial(r3d.train_step, **static)), first, batches, lambda x: x))
    for state, metrics in found[1:]:
        for one, other in zip(*map(jax.tree.leaves, (found[0][0], state)), strict=True):
            np.testing.assert_allclose(other, one, rtol=0, atol=1e-5 * max(np.abs(one).max(), 1e-2))
        assert metrics["loss"] == pytest.approx(float(found[0][1]["loss"]), rel=1e-5)


@pytest.mark.slow
def test_what_a_script_saves_every_command_takes_and_a_script_goes_on_from(adam, tmp_path, capsys):
    _, first, state, _ = adam
    run, names = tmp_path / "mine", tuple(f"class_{i}" for i in range(8))
    r3d.save(run, MODEL, state, names, CLIP)
    network = r3d.load(run)
    assert (network.model, network.class_names, network.clip) == (MODEL, names, CLIP)
    restored = r3d.restore(run, first)
    for one, other in zip(*map(jax.tree.leaves, (state, restored)), strict=True):
        np.testing.assert_array_equal(one, other)

    video = tmp_path / "v.avi"
    video.write_bytes(draw_video("walk_left", 0, 1, 0))
    (found,) = r3d.predict(network, [video])
    clips = r3d.read_clips(video, network.clip)[None]
    logits = jax.jit(partial(r3d.predict_fn, model=network.model))(network.variables, clips)
    np.testing.assert_allclose(found.probabilities, jax.nn.softmax(logits[0]), atol=1e-5)
    from r3d_jax.cli.main import main

    for arguments in (["predict", run, video], ["export", run, tmp_path / "mine.npz"]):
        with pytest.raises(SystemExit) as ended:
            main(list(map(str, arguments)))
        assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert json.loads(printed.splitlines()[0])["top"][0]["class"] == names[int(logits[0].argmax())]


@pytest.mark.slow
def test_what_main_py_saves_a_script_can_go_on_training(tiny_run, demo_videos):
    run, _ = tiny_run
    network = r3d.load(run)
    adam = r3d.init_state(network.model, optax.adam(0.01), clip=network.clip)
    with pytest.raises(r3d.InputError, match=r"is of another network.*opt_state"):
        r3d.restore(run, adam)
    tx = r3d.sgd(0.01, nesterov=True)
    state = r3d.restore(run, r3d.init_state(network.model, tx, clip=network.clip))
    assert int(state.step) == 12
    batch = r3d.data.train_batches(demo_videos, "train", network.clip, batch_size=4)[0]
    state, metrics = jax.jit(partial(r3d.train_step, model=network.model, tx=tx))(state, batch)
    assert int(state.step) == 13 and np.isfinite(metrics["loss"])


def test_every_public_name_is_there_and_says_what_it_is():
    for package in (r3d, r3d.data, r3d.models, r3d.training):
        assert package.__all__
        for name in package.__all__:
            if name == "PRESETS":
                continue
            assert len(getattr(package, name).__doc__ or "") > 25, (package.__name__, name)
    assert "r3d_18" in r3d.list_presets() and r3d.list_presets() == tuple(r3d.models.PRESETS)
    assert "r3d_18_k400" in [each.name for each in r3d.list_models()]
    assert r3d.__version__.count(".") == 2
