"""A network that nobody has trained, and videos to show it: fixtures of the folders whose conftest.py imports them."""

from functools import cache

import jax
import pytest
from trunks import TINY
from videos import encode, frames_of

from r3d_jax.models.classifier import build, init_variables
from r3d_jax.video.clips import ClipSpec
from r3d_jax.weights.trained import TrainedNetwork

CLASSES = ("ride", "run", "swim")
CLIP = ClipSpec(frames=4, crop=16, train_sizes=(16, 16), test_size=16, views=3)


@cache  # each folder that imports the fixture has one of its own
def make_network():
    """Three classes, four channels."""
    model = build("r3d_18", 3, pool=(1, 1, 1), **TINY)
    variables = init_variables(model, jax.random.key(0), CLIP.shape)
    # Larger weights than a head starts with, so that videos differ in their classes.
    variables["params"]["heads_0"] = jax.tree.map(lambda x: 8 * x, variables["params"]["heads_0"])
    return TrainedNetwork(model, jax.device_get(variables), CLASSES, CLIP)


@pytest.fixture(scope="session")
def network():
    return make_network()


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Five videos of two sizes, and what is none."""
    folder = tmp_path_factory.mktemp("untrained") / "videos"
    folder.mkdir()
    for i, (count, height, width) in enumerate([(9, 32, 48), (12, 32, 48), (7, 32, 64), (15, 32, 48), (3, 32, 64)]):
        (folder / f"v{i}.avi").write_bytes(encode(frames_of(count, height, width)))
    (folder / "broken.avi").write_bytes(b"no video")
    (folder / "notes.txt").write_text("no video either")
    return folder
