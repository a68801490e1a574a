import dataclasses
import runpy
from pathlib import Path

import pytest

from r3d_jax.config import RENAMED, Config, check_field, flatten
from r3d_jax.config_check import check
from r3d_jax.errors import InputError
from r3d_jax.video.clips import ClipSpec

CONFIGS = Path(__file__).parents[1] / "configs"


def test_settings_flatten_to_their_names():
    config = Config()
    config.clip.train_sizes = (130, 150)
    assert flatten(config)["clip.train_sizes"] == (130, 150)


def test_every_setting_has_a_meaning():
    for section in dataclasses.fields(Config):
        for field in dataclasses.fields(section.default_factory):
            assert len(field.metadata["meaning"]) > 5, (section.name, field.name)


def test_unknown_names_are_answered_with_the_known_ones():
    check_field("clip.frames")
    with pytest.raises(InputError, match="no config section 'clips'; there are data, clip, augment"):
        check_field("clips.frames")
    with pytest.raises(InputError, match=r"no config field 'clip.frame'; `clip` has frames, stride"):
        check_field("clip.frame")
    with pytest.raises(InputError, match=r"'train.micro_batches' is called 'train.gradient_accumulation' now; give it"):
        check_field("train.micro_batches")
    assert set(RENAMED.values()) < set(flatten(Config())) and not set(RENAMED) & set(flatten(Config()))
    with pytest.raises(AttributeError):
        ClipSpec().frame = 3


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.py")), ids=lambda file: file.stem)
def test_every_configuration_of_the_project_passes(file):
    config = runpy.run_path(str(file))["get_config"]()
    if config.clip is None:  # that of a network that is yet to be named
        config.clip, config.finetune.source = ClipSpec(), "there"
    check(config, 1)
    assert file.read_text().startswith(f'"""python main.py --config configs/{file.name}')
