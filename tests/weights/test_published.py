import json

import pytest

from r3d_jax.models.classifier import build
from r3d_jax.models.cost import cost
from r3d_jax.models.presets import PRESETS
from r3d_jax.video.clips import check_clip
from r3d_jax.weights.labels import LABELS
from r3d_jax.weights.published import find, list_models

ZOO = list_models()


def test_names_files_and_addresses_are_each_of_one_network():
    assert len(ZOO) == 37
    for field in ("name", "url", "file"):
        assert len({getattr(each, field) for each in ZOO}) == len(ZOO)
    assert all(each.url.startswith("https://") for each in ZOO)


@pytest.mark.parametrize("published", ZOO, ids=lambda each: each.name)
def test_facts_go_together(published):
    check_clip(published.clip)
    assert published.classes in (*LABELS, "") and len(published.class_names) == published.num_classes
    assert published.sha256 in published.url and published.average.endswith("probabilities")
    assert len(published.mean) == len(published.std) == 3 and all(0.1 < each < 0.5 for each in published.mean)
    assert published.top1 is None or 50 < published.top1 < 85


def test_clips_of_pytorchvideo_reach_from_the_first_to_the_last_of_frames_times_rate():
    """Its published "8x8" are 8 frames spread evenly over 64: 9 apart, not 8."""
    strides = {
        each.name: each.clip.stride for each in ZOO if each.source == "PyTorchVideo" and each.clip.frame_rate == 30
    }
    assert len(strides) == 15
    assert strides["slow_r50_8x8_k400"] == 9 and strides["slow_r50_4x16_k400"] == 21
    assert strides["slowfast_r50_8x8_k400"] == 2 and strides["x3d_s_13x6_k400"] == 6


def test_every_one_is_listed_and_found():
    listed = list_models()
    assert listed == ZOO and {each.preset for each in listed} <= set(PRESETS)
    assert find("r3d_18_k400") in listed and find("r3d_18") is None
    json.dumps([each._replace(clip=None) for each in listed])


@pytest.mark.slow
@pytest.mark.parametrize("published", list_models(), ids=lambda each: each.name)
def test_costs_are_those_of_the_network(published):
    """Written by docs/zoo.py; torchvision publishes the same: 40.697, 43.343 and 40.519 G."""
    found = cost(
        build(published.preset, published.num_classes, pool=published.pool, **published.options), published.view
    )
    assert (published.parameters, published.multiply_adds) == found


def test_classes_without_published_names_are_numbered():
    (published,) = (each for each in ZOO if not each.classes)
    assert published.name == "r2plus1d_34_32_ig65m" and published.class_names[-1] == "358"
