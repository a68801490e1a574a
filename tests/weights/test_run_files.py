import json
from dataclasses import asdict, replace

import pytest
from trunks import TINY

from r3d_jax.config import Config, OptimConfig, TrainConfig
from r3d_jax.errors import InputError
from r3d_jax.models.classifier import build
from r3d_jax.video.clips import ClipSpec
from r3d_jax.weights.run_files import (
    description_of,
    fixed_settings,
    read_classes,
    read_clip,
    read_config,
    read_network,
    saved_by_script,
    write,
)

MODEL, NAMES = build("r3d_18", 3, **TINY), ("ride", "run", "sit down")
CLIP = ClipSpec(frames=4, stride=2, crop=16, train_sizes=(16, 18), test_size=20)
CONFIG = Config(clip=CLIP, train=TrainConfig(epochs=3), optim=OptimConfig(milestones=(1, 2)))


def test_what_is_written_is_read(tmp_path):
    write(tmp_path / "run", asdict(CONFIG), NAMES, MODEL)
    found = tuple(read(tmp_path / "run") for read in (read_config, read_clip, read_classes, read_network))
    assert found == (CONFIG, CLIP, NAMES, MODEL) and not saved_by_script(tmp_path / "run")


def test_the_description_has_what_may_not_change_while_a_run_lasts(tmp_path):
    write(tmp_path, asdict(CONFIG), NAMES, MODEL)
    told = description_of(tmp_path)
    assert told["config.json: clip.frames"] == 4 and told["config.json: train.seed"] == 0
    assert (told["classes.txt: line 3"], told["network.json: trunk.planes"]) == ("sit down", MODEL.trunk.planes)
    assert told["network.json: heads.0.num_classes"] == 3
    assert not told["network.json: trunk.temporal_pools"] and not told["config.json: model.blocks"]
    free = replace(CONFIG, train=TrainConfig(epochs=5, log_every=7, checkpoint_minutes=0))
    write(tmp_path, asdict(free), NAMES, MODEL)
    assert description_of(tmp_path) == told
    write(tmp_path, asdict(free), NAMES[::-1], MODEL)
    assert description_of(tmp_path) != told


@pytest.mark.parametrize("schedule, rates, free", [("multistep", (0.1, 0.01), True), ("cosine", (0.1, 0.0), False)])
def test_epochs_are_free_where_no_earlier_step_depends_on_them(schedule, rates, free):
    config = replace(CONFIG, optim=OptimConfig(schedule=schedule, learning_rates=rates))
    assert ("train.epochs" not in fixed_settings(config)) == free


def test_a_setting_of_an_earlier_name_is_read_as_what_it_is_called_now(tmp_path):
    sections = asdict(CONFIG)
    sections["train"]["micro_batches"] = sections["train"].pop("gradient_accumulation") + 1
    write(tmp_path, sections, NAMES, MODEL)
    assert read_config(tmp_path).train.gradient_accumulation == 2
    assert description_of(tmp_path)["config.json: train.gradient_accumulation"] == 2


REMEDY = "; put it back as training or `save` has written it"


@pytest.mark.parametrize(
    "content, message",
    [
        ({}, "is not the configuration of a run of this version .it lacks the section 'clip'."),
        ({"clip": None}, "is not the configuration of a run of this version .it must be sections of settings."),
        ({"clip": {}, "clips": {}}, "is not the configuration .*no section 'clips'; there are data, clip, augment,"),
        ({"clip": {"frames": -4}}, r"config.json: `clip.frames` .=-4. must be at least 1"),
        ({"clip": {"frames": 10**9}}, r"config.json: `clip.frames` .=1000000000. must be at most 10000"),
        (
            {"clip": {"frames": 9000, "train_sizes": [9000, 9000]}},
            r"`clip.frames` .=9000. of .* more than 2..30 pixels",
        ),
        ({"clip": {"stride": 0}}, r"config.json: `clip.stride` .=0. must be at least 1"),
        ({"clip": {"views": "all"}}, r"config.json: `clip.views` .='all'. must be of type int"),
        ({"clip": {"frame_rate": float("nan")}}, r"config.json: `clip.frame_rate` .=nan. must be finite"),
        ({"clip": {"train_sizes": [8, 9]}}, r"config.json: `clip.train_sizes` .=\(8, 9\). must rise from at least"),
    ],
)
def test_a_configuration_is_held_against_the_rules_of_one(content, message, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(content))
    more = {"train": {"epochs": 2}} if content else {}
    for read, text in ((read_clip, content), (read_config, content | more)):
        (tmp_path / "config.json").write_text(json.dumps(text))
        with pytest.raises(InputError, match=message + f".*{REMEDY}") as refused:
            read(tmp_path)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "section, field, value, message",
    [
        ("train", "batch_size", -1, "`train.batch_size` .=-1. must be at least 0"),
        ("train", "dtype", 32, "`train.dtype` .=32. must be of type str"),
        ("optim", "learning_rates", [0.1], "`optim.learning_rates` .* must have one value more than"),
        ("optim", "power", float("inf"), "`optim.power` .=inf. must be finite"),
        ("data", "name", "mine", "`data.name` .='mine'. must be ucf101, hmdb51"),
    ],
)
def test_every_section_is_held_against_its_rules(section, field, value, message, tmp_path):
    content = asdict(CONFIG)
    content[section][field] = value
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=f"config.json: {message}.*{REMEDY}"):
        read_config(tmp_path)


def test_class_names_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"classes.txt cannot be read .*No such file.*put it back as training or"):
        read_classes(tmp_path)
    (tmp_path / "classes.txt").write_bytes(b"ride\nr\xff\n")
    with pytest.raises(
        InputError, match=r"classes.txt cannot be read .*can't decode byte 0xff.*put it back as training"
    ):
        read_classes(tmp_path)
