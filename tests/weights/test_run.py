"""What a script saves and what training writes are one kind of folder; a folder of something else is left alone."""

import json
import shutil
import zipfile
from dataclasses import replace

import jax
import numpy as np
import optax
import pytest
from seeded import GOLDEN, drawn
from shapes import unchecked_shapes
from trunks import TINY

import r3d_jax
from r3d_jax.config import Config, EvalConfig, OptimConfig, TrainConfig
from r3d_jax.errors import InputError
from r3d_jax.models.classifier import build
from r3d_jax.training.optim import sgd
from r3d_jax.training.state import first_state
from r3d_jax.video.clips import ClipSpec
from r3d_jax.weights.checkpoint import Checkpoints
from r3d_jax.weights.run import CHECKPOINTS, claim, has_begun, load_run, restore, save
from r3d_jax.weights.run_files import (
    description_of,
    read_classes,
    read_clip,
    read_config,
    read_network,
    saved_by_script,
)

MODEL, NAMES = build("r3d_18", 3, **TINY), ("ride", "run", "sit down")
CLIP = ClipSpec(frames=4, stride=2, crop=16, train_sizes=(16, 18), test_size=20, frame_rate=12.5, flip=0.25, views=3)
TX = optax.adam(1e-3)


def state_at(step, tx=TX, model=MODEL):
    """A state whose arrays are all of this step."""
    start = jax.device_get(first_state(drawn(model), tx))
    return jax.tree.map(lambda x: x + x.dtype.type(step), start)


def same(first, second):
    jax.tree.map(np.testing.assert_array_equal, first, second)
    types = [[leaf.dtype for leaf in jax.tree.leaves(tree)] for tree in (first, second)]
    return jax.tree.structure(first) == jax.tree.structure(second) and types[0] == types[1]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder of `save`, not to be changed."""
    run = tmp_path_factory.mktemp("run") / "deep" / "mine"
    save(run, MODEL, state_at(3), NAMES, CLIP)
    return run


@pytest.fixture
def mine(saved, tmp_path):
    """A copy of it, to be changed."""
    return shutil.copytree(saved, tmp_path / "mine")


def steps(run, kind="last"):
    return sorted(int(path.name) for path in (run / CHECKPOINTS / kind).iterdir())


@pytest.mark.slow
def test_what_is_saved_is_loaded_and_goes_on_bit_for_bit(saved):
    network = r3d_jax.load(str(saved))
    assert (network.model, network.class_names, network.clip) == (MODEL, NAMES, CLIP)
    assert same(network.variables, state_at(3).variables)
    assert same(r3d_jax.restore(str(saved), state_at(0)), state_at(3))
    assert {path.name for path in saved.iterdir()} == {"config.json", "classes.txt", "network.json", CHECKPOINTS}


def test_the_folder_says_what_it_holds(saved, tmp_path):
    assert has_begun(saved) and not has_begun(tmp_path)
    assert (read_network(saved), read_classes(saved), read_clip(saved)) == (MODEL, NAMES, CLIP)
    assert saved_by_script(saved)


@pytest.mark.slow
def test_saving_again_adds_a_checkpoint_and_the_last_two_are_kept(mine):
    for step in (5, 7):
        r3d_jax.save(mine, MODEL, state_at(step), list(NAMES), CLIP)
    assert steps(mine) == [5, 7]
    assert same(restore(mine, state_at(0)), state_at(7))
    assert same(load_run(mine).variables, state_at(7).variables)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"model": build("r3d_18", 3, **TINY, stem_maxpool=True)}, "holds a run of another network, or with another"),
        (
            {"class_names": ("ride", "run", "sit")},
            r"holds a run with other classes \(3 there, 3 now; see .*classes.txt",
        ),
        ({"class_names": NAMES[:2]}, "`class_names` has 2 names, but the head has 3 classes"),
        ({"clip": replace(CLIP, stride=1)}, "holds a run of another network, or with another `clip`; name another"),
        ({"clip": replace(CLIP, train_sizes=(8, 18))}, r"`clip.train_sizes` \(=\(8, 18\)\) must rise from at least"),
        ({"step": 3}, "has a checkpoint of step 3 already, and this state is of step 3; save a later one"),
        ({"step": 2}, "has a checkpoint of step 3 already, and this state is of step 2; save a later one"),
    ],
)
def test_nothing_else_is_saved_over_it(mine, changes, message):
    before = {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()}
    given = {"model": MODEL, "step": 9, "class_names": NAMES, "clip": CLIP} | changes
    with pytest.raises(InputError, match=message) as refused:
        save(mine, state=state_at(given.pop("step")), **given)
    assert "\n" not in str(refused.value)
    assert {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()} == before


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no run in .*: it has no config.json and no classes.txt and no network.json"):
        load_run(tmp_path)
    with pytest.raises(InputError, match=r"no checkpoint of a run in .*; name the folder that `save` or a training"):
        restore(tmp_path, state_at(0))
    with pytest.raises(InputError, match=r"config.json is not the configuration of a run of this version"):
        read_config(tmp_path)
    with pytest.raises(InputError, match=r"network.json cannot be read"):
        read_network(tmp_path)


@pytest.mark.slow
def test_another_network_or_optimiser_is_not_restored(saved):
    wider = build("r3d_18", 3, **TINY | {"planes": 6})
    for like in (state_at(0, model=wider), state_at(0, sgd(0.1))):
        with pytest.raises(InputError, match=r"is of another network: .* there and .* here"):
            restore(saved, like)


def test_checkpoints_that_are_not_there_are_refused(saved):
    with pytest.raises(InputError, match="has no best checkpoint yet; train it first"):
        load_run(saved, "best")
    with pytest.raises(InputError, match=r"`checkpoint` .='first'. must be one of last, best"), unchecked_shapes():
        load_run(saved, "first")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, text, message",
    [
        ("classes.txt", "ride\nrun\n", "classes.txt names 2 classes, but the head has 3; it needs one line for each"),
        ("network.json", '{"trunk": {}}', "network.json cannot be read: not the description of a network of this"),
        ("network.json", "{", "network.json cannot be read"),
        ("config.json", "[", "config.json is not the configuration of a run of this version"),
        ("config.json", "[]", "config.json is not the configuration of a run of this version"),
        ("config.json", '{"clip": {"length": 3}}', "config.json is not the configuration of a run of this version"),
    ],
)
def test_a_damaged_description_names_its_file(mine, name, text, message):
    (mine / name).write_text(text)
    with pytest.raises(InputError, match=message):
        load_run(mine)


def test_a_scripts_folder_has_no_configuration_and_says_how_to_go_on(mine):
    remedy = r"was saved by a script.*r3d_jax.restore, or start another run from it with `finetune.source`"
    with pytest.raises(InputError, match=remedy):
        read_config(mine)
    with pytest.raises(InputError, match=remedy):
        claim(mine, Config(), NAMES, MODEL)


CONFIG = Config(clip=CLIP, train=TrainConfig(epochs=3), optim=OptimConfig(nesterov=True, milestones=(1, 2)))


def test_training_claims_its_folder_and_may_claim_it_again(tmp_path):
    run = tmp_path / "run"
    assert claim(run, CONFIG, NAMES, MODEL) == []
    assert (read_config(run), read_classes(run), read_network(run)) == (CONFIG, NAMES, MODEL)
    assert not saved_by_script(run) and not has_begun(run)
    assert claim(run, CONFIG, NAMES, MODEL) == []
    longer = replace(CONFIG, train=TrainConfig(epochs=5), eval=EvalConfig(videos=9))
    assert claim(run, longer, NAMES, MODEL) == [
        "train.epochs: 3 when the run was started, 5 now",
        "eval.videos: 0 when the run was started, 9 now",
    ]
    assert read_config(run) == longer
    with pytest.raises(InputError, match=r"the run in .* has no last checkpoint yet; train it first"):
        load_run(run)


@pytest.mark.parametrize(
    "config, names, message",
    [
        (replace(CONFIG, clip=replace(CLIP, frames=8)), NAMES, r"configuration:\n  clip.frames: 4 there, 8 now\nuse"),
        (
            CONFIG,
            NAMES[:2],
            r"holds a run with other classes \(3 there, 2 now; see .*classes.txt\); use another folder",
        ),
    ],
)
def test_training_does_not_claim_the_folder_of_another_run(tmp_path, config, names, message):
    claim(tmp_path, CONFIG, NAMES, MODEL)
    with pytest.raises(InputError, match=message):
        claim(tmp_path, config, names, MODEL)
    assert read_config(tmp_path) == CONFIG and read_classes(tmp_path) == NAMES


def test_epochs_may_not_change_where_every_learning_rate_depends_on_them(tmp_path):
    cosine = replace(CONFIG, optim=OptimConfig(schedule="cosine", learning_rates=(0.1, 0.0)))
    claim(tmp_path, cosine, NAMES, MODEL)
    with pytest.raises(InputError, match=r"train.epochs: 3 there, 5 now"):
        claim(tmp_path, replace(cosine, train=TrainConfig(epochs=5)), NAMES, MODEL)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """A run's folder as an earlier version wrote it."""
    run = tmp_path_factory.mktemp("earlier")
    with zipfile.ZipFile(GOLDEN / "earlier_run.zip") as archive:
        archive.extractall(run)
    return run


@pytest.mark.slow
def test_a_run_of_an_earlier_version_is_loaded_and_goes_on(earlier):
    network, config = load_run(earlier), read_config(earlier)
    assert network.clip == config.clip == replace(CLIP, views=2, crops=3) and len(network.class_names) == 8
    assert (network.model.trunk.planes, network.model.mean) == (1, (0.5, 0.4, 0.3))
    assert (config.data.name, config.optim.learning_rates, config.train.batch_size) == ("demo", (0.02,), 4)
    state = restore(earlier, first_state(network.variables, sgd(0.02, nesterov=True)))
    assert int(state.step) == 2 and same(jax.device_get(state.variables), network.variables)
    assert max(np.abs(leaf).max() for leaf in jax.tree.leaves(state.opt_state)) > 0
    assert claim(earlier, config, network.class_names, network.model) == []


def test_what_an_earlier_version_did_not_ask_takes_its_default(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"clip": {"frames": 4}, "train": {"epochs": 2}}))
    assert read_config(tmp_path) == replace(Config(), clip=ClipSpec(frames=4), train=TrainConfig(epochs=2))


@pytest.mark.slow
def test_the_best_checkpoint_is_loaded_by_its_name(mine):
    with Checkpoints(mine / CHECKPOINTS) as checkpoints:
        checkpoints.save(state_at(2), "best")
    assert same(load_run(mine, "best").variables, state_at(2).variables)
    assert same(load_run(mine).variables, state_at(3).variables)


def test_class_names_are_lines_of_their_own(tmp_path):
    with pytest.raises(InputError, match=r"the class name 'run\\n' of `class_names` must be one line"):
        save(tmp_path / "mine", MODEL, state_at(1), ("ride", "run\n", "sit"), CLIP)
    assert not (tmp_path / "mine").exists()
    (tmp_path / "classes.txt").write_text("ride\u2028slowly\nrun\x85\n", encoding="utf-8")  # of an earlier version
    assert read_classes(tmp_path) == ("ride\u2028slowly", "run\x85")


EDITS = {
    "classes.txt": (
        lambda text: "".join(text.splitlines(keepends=True)[::-1]),
        "classes.txt: line 1 is 'sit down', but",
    ),
    "config.json": (
        lambda text: text.replace('"stride": 2', '"stride": 1'),
        "config.json: clip.stride is 1, but was 2 w",
    ),
    "network.json": (
        lambda text: text.replace("0.485", "0.5"),
        r"network.json: mean is \[0.5, .*\], but was \[0.485, ",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EDITS)
def test_files_that_say_something_else_than_when_the_checkpoint_was_saved_are_refused(name, mine):
    edit, message = EDITS[name]
    before = (mine / name).read_text()
    (mine / name).write_text(edit(before))
    for read in (load_run, lambda run: restore(run, state_at(0))):
        with pytest.raises(InputError, match=message) as refused:
            read(mine)
        remedy = "put that file back as it was, and give other settings to the command, other class names to r3d_jax"
        assert remedy in str(refused.value) and "\n" not in str(refused.value)
    (mine / name).write_text(before)
    assert same(load_run(mine).variables, state_at(3).variables)


@pytest.mark.slow
def test_a_run_that_goes_on_with_other_free_settings_is_loaded(tmp_path):
    claim(tmp_path, CONFIG, NAMES, MODEL)
    save_in(tmp_path, 2)
    longer = replace(CONFIG, train=TrainConfig(epochs=5, log_every=3), eval=EvalConfig(videos=9))
    assert len(claim(tmp_path, longer, NAMES, MODEL)) == 3
    assert same(load_run(tmp_path).variables, state_at(2).variables)
    assert same(restore(tmp_path, state_at(0)), state_at(2))
    edited = json.loads((tmp_path / "config.json").read_text())
    edited["train"]["seed"] = 5
    (tmp_path / "config.json").write_text(json.dumps(edited))
    with pytest.raises(InputError, match=r"config.json: train.seed is 5, but was 0 when the checkpoint"):
        load_run(tmp_path)


def save_in(run, step):
    with Checkpoints(run / CHECKPOINTS, description_of(run)) as checkpoints:
        checkpoints.save(state_at(step))


def test_weights_that_are_not_finite_are_refused_by_name(tmp_path):
    state = state_at(3)
    state.params["heads_0"]["kernel"][1, 2] = np.nan
    save(tmp_path, MODEL, state, NAMES, CLIP)
    with pytest.raises(InputError, match="last: the tensor params/heads_0/kernel has 1 values that are not finite"):
        load_run(tmp_path)
