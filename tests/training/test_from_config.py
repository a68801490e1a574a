import jax
import numpy as np
import pytest
from trunks import TINY, draw_variables
from videos import encode, frames_of

from r3d_jax.config import Config, DataConfig, FinetuneConfig, OptimConfig
from r3d_jax.errors import InputError
from r3d_jax.models.classifier import build
from r3d_jax.training.from_config import check_model, load_videos, make_optimizer

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


@pytest.mark.slow
def test_the_learning_rate_of_a_block_is_what_freezing_and_decay_leave_of_it():
    model = build("r3d_18", 3, **TINY)
    optim = OptimConfig(learning_rates=(0.1,), milestones=(), momentum=0.0, weight_decay=0.0, layer_decay=0.5)
    config = Config(optim=optim, finetune=FinetuneConfig(source="there", freeze_until="stem", trunk_factor=0.4))
    params = draw_variables(model)["params"]
    tx, learning_rates = make_optimizer(config, model, 2)
    updates, _ = tx.update(jax.tree.map(np.ones_like, params), tx.init(params), params)
    trunk, last = updates.pop("trunk"), {"heads_0": -0.1, "pathway0-stage2-block0": -0.02}
    expected = last | {"pathway0-stage1-block0": -0.01, "stem-path0": 0.0}
    for name, tree in (updates | trunk).items():
        for leaf in jax.tree.leaves(tree):
            np.testing.assert_allclose(leaf, expected[name], rtol=1e-6)
    assert set(learning_rates.tolist()) == {np.float32(0.1)}


def test_a_part_to_freeze_that_the_network_does_not_have_is_refused_before_any_data_is_fetched():
    config = Config(finetune=FinetuneConfig(source="there", freeze_until="layer1"))
    with pytest.raises(
        InputError, match=r"no stage and no block 'layer1' in this trunk; its stages: stem, stage1, stage2"
    ):
        check_model(config, build("r3d_18", 3, **TINY))
