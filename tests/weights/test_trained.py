import json
from dataclasses import replace
from pathlib import Path

import pytest
from trunks import TINY

from r3d_jax.errors import InputError
from r3d_jax.models.classifier import build
from r3d_jax.video.clips import ClipSpec
from r3d_jax.weights.trained import TrainedNetwork, from_facts, to_facts

CLIP = ClipSpec(
    frames=4, stride=2, crop=16, train_sizes=(16, 18), flip=0.25, test_size=20, frame_rate=12.5, views=3, crops=3
)
NETWORK = TrainedNetwork(build("r3d_18", 2, average="probabilities", **TINY), {}, ("ride", "run"), CLIP)
PATH = Path("some.file")


def facts(*without, **changes):
    """As a file carries them."""
    content = json.loads(json.dumps(to_facts(NETWORK) | changes))
    return {name: value for name, value in content.items() if name not in without}


def test_everything_comes_back_but_the_variables():
    found = from_facts(PATH, facts(), lambda model: {"params": model.heads[0].num_classes})
    assert found == NETWORK._replace(variables={"params": 2})
    middle = replace(CLIP, crops=1, test_crop=18)
    assert from_facts(PATH, facts(crops=1, test_crop=18), lambda _: {}).clip == middle


def test_it_is_told_whether_videos_have_several_labels():
    model = build("r3d_18", 2, activation="sigmoid", **TINY)
    content = json.loads(json.dumps(to_facts(NETWORK._replace(model=model))))
    assert from_facts(PATH, content, lambda _: {}).multi_label and not NETWORK.multi_label
    del content["network"]["heads"][0]["activation"]  # as before there was any
    assert not from_facts(PATH, content, lambda _: {}).multi_label


def test_facts_are_an_earlier_versions_and_three_more():
    assert list(facts()) == [
        *("network", "class_names", "clip_shape", "stride", "test_size", "frame_rate", "views", "crops"),
        *("train_sizes", "flip", "test_crop"),
    ]
    assert facts()["clip_shape"] == [4, 16, 16, 3]


@pytest.mark.parametrize(
    "without, expected",
    [
        (("test_crop",), CLIP),
        (("train_sizes", "flip"), ClipSpec(4, 2, 12.5, (20, 20), 16, 0.5, 20, 3, 3)),
        (("train_sizes", "flip", "frame_rate", "views", "crops"), ClipSpec(4, 2, 0.0, (20, 20), 16, 0.5, 20, 10, 1)),
    ],
)
def test_what_earlier_versions_did_not_carry_takes_its_usual_value(without, expected):
    assert from_facts(PATH, facts(*without), lambda _: {}).clip == expected


def test_facts_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"some.file names 3 classes, but its head has 2; it needs one name for each"):
        from_facts(PATH, facts(class_names=["ride", "run", "swim"]), lambda _: {})
    with pytest.raises(InputError, match="not the description of a network of this version"):
        from_facts(PATH, facts(network={"trunk": {}}), lambda _: {})
    with pytest.raises(InputError, match=r"some.file: `clip.stride` .=0. must be at least 1; convert"):
        from_facts(PATH, facts(stride=0), lambda _: {})
    with pytest.raises(InputError, match=r"class name 'run\\n' of some.file must be one line"):
        from_facts(PATH, facts(class_names=["ride", "run\n"]), lambda _: {})
    with pytest.raises(InputError, match=r"class name 'a\\u2028b' of the network must be one line"):
        to_facts(NETWORK._replace(class_names=("a\u2028b", "c")))
    with pytest.raises(KeyError, match="stride"):
        from_facts(PATH, facts("stride"), lambda _: {})
    with pytest.raises(TypeError):
        from_facts(PATH, facts(clip_shape=None), lambda _: {})
