import jax
import jax.numpy as jnp
import pytest

from r3d_jax.models.classifier import build
from r3d_jax.models.presets import HIDDEN, PRESETS, list_models
from r3d_jax.models.resnet3d import ResNet3D


def test_the_names_are_those_that_build_knows():
    assert list_models() == tuple(PRESETS) and list_models()[0] == "r3d_18"
    assert all(build(name, 3).trunk == PRESETS[name] for name in list_models())


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, trunk in PRESETS.items() if isinstance(trunk, ResNet3D)])
def test_every_network_takes_the_clips_of_the_literature(name):
    """16 frames of 112x112: the last stage sees them at a sixteenth of the edge, I3D's at a thirty-second."""
    trunk, clips = PRESETS[name], jax.ShapeDtypeStruct((1, 16, 112, 112, 3), jnp.float32)
    (last,) = jax.eval_shape(lambda x: trunk.init_with_output(jax.random.key(0), x)[0], clips).values()
    time = {"mc3_18": 16, "i3d_r50": 16}.get(name, 2)  # neither strides in time
    edge = 4 if name == "i3d_r50" else 7
    assert last.shape == (1, time, edge, edge, 2048 if "bottleneck" in trunk.residual else 512)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, clip, shape",
    [("slowfast_r50", (32, 224, 224), (32, 7, 7, 2304)), ("x3d_l", (16, 312, 312), (16, 10, 10, 432))],
)
def test_slowfast_and_x3d_take_theirs(name, clip, shape):
    x = jax.ShapeDtypeStruct((1, *clip, 3), jnp.float32)
    (last,) = jax.eval_shape(lambda x: PRESETS[name].init_with_output(jax.random.key(0), x)[0], x).values()
    assert last.shape == (1, *shape)


def test_x3ds_depths_are_the_papers_factors_and_its_heads_have_a_hidden_layer():
    assert (PRESETS["x3d_s"].blocks, PRESETS["x3d_l"].blocks) == ((3, 5, 11, 7), (5, 10, 25, 15))
    assert {name: build(name, 3).heads[0].hidden for name in list_models() if name.startswith("x3d")} == HIDDEN
    assert build("slowfast_r50", 3).heads[0].hidden == build("r3d_18", 3).heads[0].hidden == 0
