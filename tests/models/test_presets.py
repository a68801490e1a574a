import jax
import jax.numpy as jnp
import pytest

from r3d_jax.models.classifier import build
from r3d_jax.models.presets import PRESETS, list_presets


def test_the_names_are_those_that_build_knows():
    assert list_presets() == tuple(PRESETS) and list_presets()[0] == "r3d_18"
    assert all(build(name, 3).trunk == PRESETS[name] for name in list_presets())


@pytest.mark.slow
@pytest.mark.parametrize("name", list_presets())
def test_every_network_takes_the_clips_of_the_literature(name):
    """16 frames of 112x112: the last stage sees them at a sixteenth of the edge, I3D's at a thirty-second."""
    trunk, clips = PRESETS[name], jax.ShapeDtypeStruct((1, 16, 112, 112, 3), jnp.float32)
    (last,) = jax.eval_shape(lambda x: trunk.init_with_output(jax.random.key(0), x)[0], clips).values()
    time = {"mc3_18": 16, "i3d_r50": 16}.get(name, 2)  # neither strides in time
    edge = 4 if name == "i3d_r50" else 7
    assert last.shape == (1, time, edge, edge, 2048 if "bottleneck" in trunk.residual else 512)
