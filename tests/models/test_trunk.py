import jax
import jax.numpy as jnp
import numpy as np
import pytest

from r3d_jax.models.resnet3d import ResNet3D
from r3d_jax.models.trunk import CLIPS, check_options, check_stages, run

X = jnp.ones((1, 2, 3, 3, 1))
STEPS = [
    ("double", lambda x: 2 * x),
    ("more", lambda x: x + 1),
    ("less", lambda x: x - 1, CLIPS),
    ("both", lambda a, b: a + 10 * b, "more", "less"),
]


def test_a_step_takes_the_one_before_it_or_those_that_it_names():
    found = run(STEPS, X, names=("both", "double"), planes=1)
    assert {name: float(x.max()) for name, x in found.items()} == {"double": 2, "both": 3}
    assert set(run(STEPS, X, planes=1)) == {"both"}


def test_steps_above_the_highest_block_are_not_run():
    steps = [*STEPS, ("never", lambda x: 1 / 0)]
    assert set(run(steps, X, names=("more",), planes=1)) == {"more"}


def test_an_offset_is_added_to_its_block_and_reaches_all_that_read_it():
    found = run(STEPS, X, names=("double", "more", "less", "both"), offsets={"more": 1 * X, "less": 2 * X}, planes=1)
    assert {name: float(x.max()) for name, x in found.items()} == {"double": 2, "more": 4, "less": 2, "both": 24}


def test_images_are_clips_of_one_frame_and_other_channels_are_refused():
    assert run(STEPS, X[:, 0], planes=1)["both"].shape == (1, 1, 3, 3, 1)
    with pytest.raises(ValueError, match=r"clips of shape .* with 3 channels on the last axis"):
        run(STEPS, X, planes=3)
    with pytest.raises(ValueError, match="no block 'most' in this trunk; its blocks: double, more, less, both"):
        run(STEPS, X, names=("most",), planes=1)


def test_options_are_refused_by_name():
    check_options(ResNet3D(), ("blocks", "planes"), {"stem": ("resnext3d",)})
    with pytest.raises(ValueError, match=r"`stem` .='resnext3d'. must be one of other"):
        check_options(ResNet3D(), (), {"stem": ("other",)})
    with pytest.raises(ValueError, match=r"`temporal_kernels` .* must be at least 1, and not empty"):
        check_options(ResNet3D(temporal_kernels=((3,), ())), ("temporal_kernels",))


def test_stages_are_counted():
    check_stages(ResNet3D(), remat=(1, 4))
    with pytest.raises(ValueError, match=r"no stage 0, 5 to compute again; there are 4"):
        check_stages(ResNet3D(), remat=(0, 4, 5))
    with pytest.raises(ValueError, match=r"`spatial_strides` .* one entry for each of the 4 stages"):
        check_stages(ResNet3D(spatial_strides=(1, 2)))
    with pytest.raises(ValueError, match=r"`temporal_kernels` .* must be odd"):
        check_stages(ResNet3D(temporal_kernels=((2,),) * 4))


def test_steps_can_be_jitted():
    np.testing.assert_array_equal(jax.jit(lambda x: run(STEPS, x, planes=1))(X)["both"], 3 * X)
