import jax
import jax.numpy as jnp
import pytest

from r3d_jax.models.classifier import build
from r3d_jax.models.presets import PRESETS, list_models
from r3d_jax.models.resnet3d import ResNet3D


def test_the_names_are_those_that_build_knows():
    assert list_models() == tuple(PRESETS) and list_models()[0] == "r3d_18"
    assert all(build(name, 3).trunk == PRESETS[name] for name in list_models())


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in list_models() if sum(PRESETS[name].blocks) <= 16])
def test_every_network_takes_the_clips_of_the_literature(name):
    """16 frames of 112x112: a sixteenth of the edge in the last stage, behind a stem's pool half of that."""
    trunk, clips = PRESETS[name], jax.ShapeDtypeStruct((1, 16, 112, 112, 3), jnp.float32)
    (last,) = jax.eval_shape(lambda x: trunk.init_with_output(jax.random.key(0), x)[0], clips).values()
    time = {"pytorchvideo_i3d_r50": 8, "c2d_r50": 8, "mmaction2_i3d_r50": 2, "mmaction2_i3d_r50_heavy": 8}
    time |= dict.fromkeys(("mc3_18", "i3d_r50", "slow_r50", "slow_c2d_r50"), 16)  # these do not stride in time
    time |= {"r2plus1d_r50": 4} | {name: 1 for name in PRESETS if "kenshohara" in name}
    edge = 4 if trunk.stem_maxpool or name == "r2plus1d_r50" else 7
    assert last.shape == (1, time.get(name, 2), edge, edge, 2048 if "bottleneck" in trunk.residual else 512)


def test_weights_of_one_shape_are_of_networks_that_differ_in_a_pool_or_an_epsilon():
    """What a file's tensors leave open, `recognise` has to ask for."""
    left_open = (
        "stem_stride",
        "stem_maxpool",
        "stem_pool_kernel",
        "stem_pool_stride",
        "temporal_pools",
        "norm_epsilon",
    )
    usual = {
        name: getattr(ResNet3D(), name) for name in (*left_open, "zero_init", "temporal_strides", "spatial_strides")
    }
    seen = {}
    for name, trunk in PRESETS.items():
        seen.setdefault(trunk.clone(**usual), []).append(name)
    assert [names for names in seen.values() if len(names) > 1] == [
        ["i3d_r50", "pytorchvideo_i3d_r50", "mmaction2_i3d_r50"],
        ["c2d_r50", "slow_c2d_r50"],
    ]
