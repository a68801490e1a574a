import jax
import jax.numpy as jnp
import pytest

from r3d_jax.models.classifier import build
from r3d_jax.models.presets import HIDDEN, PRESETS, list_presets
from r3d_jax.models.resnet3d import ResNet3D
from r3d_jax.models.shapes import abstract_init


def test_the_names_are_those_that_build_knows():
    assert list_presets() == tuple(PRESETS) and list_presets()[0] == "r3d_18"
    assert all(build(name, 3).trunk == PRESETS[name] for name in list_presets())


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name for name, trunk in PRESETS.items() if isinstance(trunk, ResNet3D) and sum(trunk.blocks) <= 16]
)
def test_every_network_takes_the_clips_of_the_literature(name):
    """16 frames of 112x112: a sixteenth of the edge in the last stage, behind a stem's pool half of that."""
    trunk, clips = PRESETS[name], jax.ShapeDtypeStruct((1, 16, 112, 112, 3), jnp.float32)
    (last,) = abstract_init(trunk, clips)[0].values()
    time = {"pytorchvideo_i3d_r50": 8, "c2d_r50": 8, "mmaction2_i3d_r50": 2, "mmaction2_i3d_r50_heavy": 8}
    time |= dict.fromkeys(("mc3_18", "i3d_r50", "slow_r50", "slow_c2d_r50"), 16)  # these do not stride in time
    time |= {"r2plus1d_r50": 4} | {name: 1 for name in PRESETS if "kenshohara" in name}
    edge = 4 if trunk.stem_maxpool or name == "r2plus1d_r50" else 7
    assert last.shape == (1, time.get(name, 2), edge, edge, 2048 if "bottleneck" in trunk.residual else 512)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, clip, shape",
    [("slowfast_r50", (32, 224, 224), (32, 7, 7, 2304)), ("x3d_l", (16, 312, 312), (16, 10, 10, 432))],
)
def test_slowfast_and_x3d_take_theirs(name, clip, shape):
    x = jax.ShapeDtypeStruct((1, *clip, 3), jnp.float32)
    (last,) = abstract_init(PRESETS[name], x)[0].values()
    assert last.shape == (1, *shape)


def test_x3ds_depths_are_the_papers_factors_and_its_heads_have_a_hidden_layer():
    assert (PRESETS["x3d_s"].blocks, PRESETS["x3d_l"].blocks) == ((3, 5, 11, 7), (5, 10, 25, 15))
    assert {name: build(name, 3).heads[0].hidden for name in list_presets() if name.startswith("x3d")} == HIDDEN
    assert build("slowfast_r50", 3).heads[0].hidden == build("r3d_18", 3).heads[0].hidden == 0


def test_weights_of_one_shape_are_of_networks_that_differ_in_a_pool_or_an_epsilon():
    """What a file's tensors leave open, `recognise` has to ask for."""
    left_open = ("stem_stride", "stem_maxpool", "stem_pool_kernel", "stem_pool_stride", "temporal_pools")
    left_open += ("norm_epsilon", "zero_init", "temporal_strides", "spatial_strides")
    usual = {name: getattr(ResNet3D(), name) for name in left_open}
    seen = {}
    for name, trunk in PRESETS.items():
        if isinstance(trunk, ResNet3D):
            seen.setdefault(trunk.clone(**usual), []).append(name)
    assert [names for names in seen.values() if len(names) > 1] == [
        ["i3d_r50", "pytorchvideo_i3d_r50", "mmaction2_i3d_r50"],
        ["c2d_r50", "slow_c2d_r50"],
    ]
