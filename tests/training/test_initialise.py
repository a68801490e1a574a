"""What a run begins with."""

from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest
from siblings import tiny
from trunks import draw_variables

from r3d_jax.config import Config, FinetuneConfig, ModelConfig
from r3d_jax.errors import InputError
from r3d_jax.models.classifier import build
from r3d_jax.models.head import Head
from r3d_jax.training.initialise import compare_clips, make_model, take_over, warn_of_clips
from r3d_jax.video.clips import ClipSpec
from r3d_jax.weights.trained import TrainedNetwork

TINY = {"planes": 4, "stem_planes": 4, "blocks": (1, 1, 1, 1)}
KINETICS = {"mean": (0.4, 0.4, 0.4), "std": (0.2, 0.2, 0.2)}
NAMES = ("run", "jump", "sit")
CLIP = ClipSpec(frames=4, crop=16, train_sizes=(16, 16), test_size=16)


@cache
def source():
    model = build("r3d_18", 3, **TINY, **KINETICS)
    return TrainedNetwork(model, draw_variables(model), NAMES, CLIP)


def configured(**model):
    return Config(model=ModelConfig(pool=(1, 1, 1), **model), finetune=FinetuneConfig(source="there"))


def equal(first, second):
    return all(jax.tree.leaves(jax.tree.map(np.array_equal, first, second)))


def test_without_a_source_empty_fields_mean_r3d_18_and_imagenet():
    model = make_model(Config(), 5, None)
    assert model == build("r3d_18", 5, pool=(1, 7, 7))
    wide = make_model(Config(model=ModelConfig(planes=8, mean=(0.5, 0.5, 0.5), std=(1.0, 1.0, 1.0))), 5, None)
    assert wide.trunk.planes == 8 and wide.mean == (0.5, 0.5, 0.5)


def test_the_network_is_the_sources_with_a_head_of_ones_own():
    model = make_model(configured(dropout=0.3), 7, source())
    assert model.trunk == source().model.trunk and (model.mean, model.std) == tuple(KINETICS.values())
    assert model.heads == (Head(7, pool=(1, 1, 1), dropout=0.3),)


@pytest.mark.slow
def test_a_hidden_layer_of_the_head_is_the_sources_whatever_the_classes():
    theirs = tiny("x3d_s")
    there = TrainedNetwork(theirs, draw_variables(theirs), NAMES, CLIP)
    model = make_model(Config(model=ModelConfig(pool=(0, 0, 0)), finetune=FinetuneConfig(source="there")), 7, there)
    assert model.heads == (Head(7, hidden=2048),) and model.trunk == theirs.trunk
    loaded, _ = take_over(draw_variables(model, seed=1), model, tuple("abcdefg"), there)
    found, head = loaded["params"]["heads_0"], there.variables["params"]["heads_0"]
    assert equal(found["hidden"], head["hidden"]) and found["kernel"].shape == (2048, 7)
    with pytest.raises(ValueError, match=r"holds another network .*: X3D there and SlowFast here"):
        make_model(configured(name="slowfast_r50"), 7, there)


def test_saying_what_the_source_says_is_allowed():
    said = configured(name="r3d_18", blocks=(1, 1, 1, 1), planes=4, stem_planes=4)
    assert make_model(said, 7, source()).trunk == source().model.trunk


@pytest.mark.parametrize(
    "model, message",
    [
        (
            {"name": "r3d_34"},
            r"holds another network .*: blocks \(1, 1, 1, 1\) there and \(3, 4, 6, 3\) here, planes 4",
        ),
        ({"planes": 8}, "holds another network .*: planes 4 there and 8 here; leave these empty"),
        ({"mean": (0.5, 0.4, 0.4), "std": (0.2, 0.2, 0.2)}, r"trained with mean \(0.4, 0.4, 0.4\) .*leave these empty"),
    ],
)
def test_a_network_that_is_not_the_sources_is_refused(model, message):
    with pytest.raises(ValueError, match=message):
        make_model(configured(**model), 7, source())


def test_the_trunk_is_taken_over_and_a_head_for_other_classes_is_not():
    there = source()
    model = make_model(configured(), 5, there)
    fresh = draw_variables(model, seed=1)
    found, lines = take_over(fresh, model, ("a", "b", "c", "d", "e"), there)
    for kind in ("params", "batch_stats"):
        assert equal(found[kind]["trunk"], there.variables[kind]["trunk"])
    assert equal(found["params"]["heads_0"], fresh["params"]["heads_0"])
    assert lines == [
        "loaded: the trunk (36 parameters, 24 batch statistics)",
        "reset: the head (5 classes at pathway0-stage4-block0)",
        "skipped: default_head at pathway0-stage4-block0 (3 classes)",
    ]


def test_a_head_for_the_same_classes_is_taken_over():
    there = source()
    model = make_model(configured(), 3, there)
    fresh = draw_variables(model, seed=1)
    found, lines = take_over(fresh, model, NAMES, there)
    assert equal(found, there.variables)
    assert lines[0].endswith(", the head (3 classes at pathway0-stage4-block0)")
    assert lines[1:] == ["reset: nothing", "skipped: nothing"]
    _, lines = take_over(fresh, model, ("run", "jump", "stand"), there)
    assert lines[1] == "reset: the head (3 classes at pathway0-stage4-block0)"


def test_a_head_at_another_block_is_skipped():
    there = source()
    model = make_model(configured(block="pathway0-stage3-block0"), 3, there)
    fresh = draw_variables(model, seed=1)
    _, lines = take_over(fresh, model, NAMES, there)
    assert lines[1] == "reset: the head (3 classes at pathway0-stage3-block0)"
    assert lines[2] == "skipped: default_head at pathway0-stage4-block0 (3 classes)"


def test_what_is_seen_as_there_and_what_otherwise_is_one_line():
    line = compare_clips(replace(CLIP, crop=24, train_sizes=(24, 30)), CLIP)
    assert line.startswith(
        "clip as there: frames 4, stride 1, frame_rate 0.0, flip 0.5, test_size 16, views 10, crops 1"
    )
    assert line.endswith("; otherwise: train_sizes (16, 16) there and (24, 30) here, crop 16 there and 24 here")
    assert compare_clips(CLIP, CLIP).endswith("; otherwise: nothing")


def test_other_clips_than_the_network_has_learned_from_are_told_loudly():
    assert warn_of_clips(replace(CLIP, views=3, crops=3, flip=0.0), CLIP) == ""
    said = warn_of_clips(replace(CLIP, frames=8, crop=12), CLIP)
    assert said.startswith(
        "CAUTION: the network has learned from other clips than this run shows it: `clip.frames` 4 there"
    )
    assert "4 there and 8 here, `clip.crop` 16 there and 12 here. It is best at its own" in said


def test_a_probe_does_not_read_through_a_random_hidden_layer():
    model = source().model
    there = source()._replace(model=model.clone(heads=(model.heads[0].clone(hidden=6),)))
    config = configured(block="pathway0-stage2-block0")
    assert make_model(config, 2, there).heads[0].hidden == 6
    config.finetune.probe = True
    with pytest.raises(InputError, match=r"`model.block` .=pathway0-stage2-block0. is not the block .* of 6 channels"):
        make_model(config, 2, there)
    config.model.block = model.trunk.block_names()[-1]
    assert make_model(config, 2, there).heads[0].hidden == 6
