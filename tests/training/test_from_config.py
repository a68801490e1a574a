from functools import partial

import jax
import numpy as np
import pytest
from trunks import TINY, draw_variables
from videos import encode, frames_of

from r3d_jax.config import Config, DataConfig, EvalConfig, FinetuneConfig, OptimConfig, TrainConfig
from r3d_jax.data.builder import VideoSet
from r3d_jax.errors import InputError
from r3d_jax.models.classifier import build
from r3d_jax.training.from_config import (
    check_model,
    class_weights,
    eval_options,
    learning_rates,
    load_videos,
    make_optimizer,
)

SIDES = [("train", "run"), ("train", "sit"), ("train", "jump"), ("test", "run"), ("test", "sit")]


@pytest.mark.parametrize(
    "name, message",
    [
        ("hmdb51", "HMDB-51 is not downloaded"),
        ("kinetics", "Kinetics is not downloaded"),
        ("video_folder", "video_folder needs videos"),
    ],
)
def test_each_data_set_says_itself_that_it_needs_a_source(name, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        load_videos(Config(data=DataConfig(name=name, data_dir=str(tmp_path))))


def test_what_is_wrong_with_the_split_is_told_before_training(tmp_path, capsys):
    files = {f"{split}/{label}": encode(frames_of(4 + i, 16, 20)) for i, (split, label) in enumerate(SIDES)}
    files |= {"train/run": files["test/run"]}
    for name, data in files.items():
        (tmp_path / "mine" / name).mkdir(parents=True)
        (tmp_path / "mine" / name / "a.avi").write_bytes(data)
    data = DataConfig(name="video_folder", source=str(tmp_path / "mine"), data_dir=str(tmp_path / "data"))
    for _ in range(2):  # when it is prepared, and later
        load_videos(Config(data=data))
        *_, gap, same = capsys.readouterr().out.splitlines()
        assert gap == (
            "1 of 3 classes have no test video in fold 1 that can be decoded (jump): no accuracy speaks of them"
        )
        assert same.startswith("1 video is both in training and in test: ")
        assert same.endswith("(train run/a.avi = test run/a.avi)")


@partial(jax.jit, static_argnums=0)
def first_updates(tx, gradient, params):
    return tx.update(gradient, tx.init(params), params)[0]


@pytest.mark.slow
def test_the_learning_rate_of_a_block_is_what_freezing_and_decay_leave_of_it():
    model = build("r3d_18", 3, **TINY)
    optim = OptimConfig(learning_rates=(0.1,), milestones=(), momentum=0.0, weight_decay=0.0, layer_decay=0.5)
    config = Config(optim=optim, finetune=FinetuneConfig(source="there", freeze_until="stem", trunk_factor=0.4))
    params = draw_variables(model)["params"]
    tx = make_optimizer(config, model, 2)
    updates = first_updates(tx, jax.tree.map(np.ones_like, params), params)
    trunk, last = updates.pop("trunk"), {"heads_0": -0.1, "pathway0-stage2-block0": -0.02}
    expected = last | {"pathway0-stage1-block0": -0.01, "stem-path0": 0.0}
    for name, tree in (updates | trunk).items():
        for leaf in jax.tree.leaves(tree):
            np.testing.assert_allclose(leaf, expected[name], rtol=1e-6)
    assert set(learning_rates(config, 2).tolist()) == {np.float32(0.1)}


@pytest.mark.slow
def test_gradients_are_clipped_by_the_norm_of_all_of_them_before_anything_else():
    """torch.nn.utils.clip_grad_norm_: g min(1, most / |g|), over all parameters together, and no decay in it."""
    model = build("r3d_18", 3, **TINY)
    params = draw_variables(model)["params"]
    gradient = jax.tree.map(lambda x: np.full(x.shape, 0.01, x.dtype), params)
    count = sum(x.size for x in jax.tree.leaves(params))
    norm = 0.01 * np.sqrt(count)
    for most, factor in ((norm / 4, 0.25), (4 * norm, 1.0)):
        optim = OptimConfig(learning_rates=(0.5,), milestones=(), momentum=0.0, weight_decay=0.1, clip_norm=most)
        tx = make_optimizer(Config(optim=optim), model, 2)
        updates = first_updates(tx, gradient, params)
        kernel = params["heads_0"]["kernel"]
        expected = -0.5 * (0.01 * factor + 0.1 * kernel)
        np.testing.assert_allclose(updates["heads_0"]["kernel"], expected, rtol=1e-5, atol=1e-8)


def test_the_optimiser_that_is_named_is_made():
    model = build("r3d_18", 3, **TINY)
    params = {"heads_0": {"kernel": np.full(1, 2.0, np.float32)}, "trunk": {}}
    optim = OptimConfig(name="adamw", learning_rates=(0.1,), milestones=(), weight_decay=0.5, betas=(0.5, 0.5))
    optim.epsilon = 1.0
    tx = make_optimizer(Config(optim=optim), model, 2)
    updates = first_updates(tx, {"heads_0": {"kernel": np.full(1, 3.0, np.float32)}, "trunk": {}}, params)
    # At the first step both averages are the gradient's: 3 / (3 + epsilon).
    np.testing.assert_allclose(updates["heads_0"]["kernel"], -0.1 * (0.75 + 0.5 * 2), rtol=1e-6)


def test_class_weights_are_of_the_training_videos():
    index = {"label": np.array([0, 1, 1, 0, 0, 0, 1]), "fold1": np.array(["train"] * 6 + ["test"])}
    videos = VideoSet([None] * 7, index, ("a", "b"))
    found = class_weights(Config(train=TrainConfig(class_weights="balanced")), videos)
    assert found == pytest.approx((6 / (2 * 4), 6 / (2 * 2))) and class_weights(Config(), videos) == ()


def test_a_part_to_freeze_that_the_network_does_not_have_is_refused_before_any_data_is_fetched():
    config = Config(finetune=FinetuneConfig(source="there", freeze_until="layer1"))
    with pytest.raises(
        InputError, match=r"no stage and no block 'layer1' in this trunk; its stages: stem, stage1, stage2"
    ):
        check_model(config, build("r3d_18", 3, **TINY))


def test_a_test_computes_as_training_does_unless_it_is_told_otherwise():
    for train, test, expected in (
        ("float32", "auto", "float32"),
        ("bfloat16", "auto", "bfloat16"),
        ("bfloat16", "float32", "float32"),
        ("float32", "bfloat16", "bfloat16"),
    ):
        config = Config(train=TrainConfig(dtype=train), eval=EvalConfig(dtype=test, views_at_once=3))
        assert eval_options(config) == {"dtype": expected, "views_at_once": 3}
