from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import close
from seeded import case, drawn
from shapes import unchecked_shapes
from trunks import SOON, TINY

from r3d_jax.errors import InputError
from r3d_jax.models.classifier import build
from r3d_jax.models.resnet3d import ResNet3D


def shapes(trunk, clip_shape, names):
    """Output shapes of blocks, computing nothing."""
    x = jnp.zeros((1, *clip_shape, 3))
    return jax.eval_shape(lambda: trunk.init_with_output(jax.random.key(0), x, names=names)[0])


@pytest.mark.parametrize("name", ["classy_r3d18_112", "classy_r3d18_128x170"])
def test_every_block_of_r3d_18_has_the_shape_of_the_reference(name):
    options, _ = case(name)
    trunk = ResNet3D()
    found = shapes(trunk, options["input_shape"][2:], trunk.block_names())
    for block, (_, channels, *grid) in options["feature_shapes"].items():
        assert found[block].shape == (1, *grid, channels), block
    assert set(found) == set(options["feature_shapes"])


def test_blocks_above_the_one_asked_for_are_not_run():
    trunk = ResNet3D(planes=2, stem_planes=2)
    variables = jax.eval_shape(
        lambda: trunk.init(jax.random.key(0), jnp.zeros((1, 4, 16, 16, 3)), names=("pathway0-stage2-block0",))
    )
    assert set(variables["params"]) == {
        "stem-path0",
        *(f"pathway0-stage1-block{b}" for b in (0, 1)),
        "pathway0-stage2-block0",
    }


@pytest.mark.parametrize("shape", [(1, 3, 4, 16, 16), (1, 4, 16, 16, 1), (4, 16, 3)])
def test_channels_that_do_not_come_last_are_refused(shape):
    message = r"clips of shape .* \[clip, time, height, width, channel\], with 3 channels"
    with pytest.raises(ValueError, match=message), unchecked_shapes():
        ResNet3D().init(jax.random.key(0), jnp.zeros(shape))


ONE_STAGE = {"blocks": (2,), "temporal_kernels": ((3,),), "temporal_conv_1x1": (False,), "temporal_strides": (1,)}
ONE_STAGE |= {"spatial_strides": (1,), "planes": 8, "stem_planes": 4, "stem_kernel": (1, 3), "width_per_group": 2}
SECOND = "pathway0-stage1-block1"


def trunk_of(model):
    return {kind: tree["trunk"] for kind, tree in drawn(model).items()}


def test_the_closing_relu_can_be_left_out(rng):
    x = rng.standard_normal((1, 2, 8, 8, 3), np.float32)
    model = build("r3d_18", 3, **ONE_STAGE, residual="preactivated_bottleneck")
    for closing in (True, False):
        trunk = model.trunk.clone(closing_relu=closing)
        found = jax.jit(partial(trunk.apply, names=(SECOND,)))(trunk_of(model), x)
        assert (found[SECOND].min() >= 0) == closing


def test_an_image_is_a_clip_of_one_frame(rng):
    images = rng.standard_normal((2, 32, 32, 3), np.float32)
    model = build("r3d_18", 5, **TINY)
    stem = jax.jit(partial(model.trunk.apply, names=("stem-path0",)))
    found, expected = (stem(trunk_of(model), x)["stem-path0"] for x in (images, images[:, None]))
    assert found.shape == (2, 1, 16, 16, 4)
    np.testing.assert_array_equal(found, expected)


def test_an_offset_is_added_to_its_block_alone_and_zeros_change_nothing(rng):
    x = rng.standard_normal((1, 4, 16, 16, 3), np.float32)
    model = build("r3d_18", 5, **TINY)
    stem, middle, last = names = model.trunk.block_names()
    outputs = jax.jit(lambda offset: model.trunk.apply(trunk_of(model), x, names=names, offsets={middle: offset}))
    unmoved = outputs(np.zeros(4, np.float32))
    jax.tree.map(np.testing.assert_array_equal, unmoved, outputs(np.zeros((1, 4, 8, 8, 4), np.float32)))
    close(unmoved, jax.jit(lambda: model.trunk.apply(trunk_of(model), x, names=names))())
    step = np.array([0, 1, 0, 0], np.float32)
    moved = outputs(step)
    np.testing.assert_array_equal(moved[stem], unmoved[stem])
    close(moved[middle], unmoved[middle] + step)
    assert np.abs(moved[last] - unmoved[last]).max() > 0.01


ZEROS = {"basic": "bn2", "basic_r2plus1d": "bn4", "postactivated_bottleneck": "bn3", "preactivated_bottleneck": "conv3"}
ZEROS |= {"preactivated_basic": "conv2", "ircsn_bottleneck": "bn3", "ipcsn_bottleneck": "bn4"}
ZEROS |= {"r2plus1d_bottleneck": "bn4", "r2plus1d_time_first_bottleneck": "bn4"}


@pytest.mark.slow
@pytest.mark.parametrize("residual", ZEROS)
def test_residuals_can_start_at_zero(residual):
    model = build("r3d_18", 3, **ONE_STAGE, residual=residual, zero_init=True)
    init = jax.jit(model.init, compiler_options=SOON)
    params = init(jax.random.key(0), jnp.zeros((1, 2, 8, 8, 3)))["params"]
    for name, leaves in params["trunk"][SECOND]["residual"].items():
        weights = leaves.get("scale", leaves.get("kernel"))
        assert (np.abs(weights).max() == 0) == (name == ZEROS[residual]), name


def test_an_unknown_block_is_named_with_those_there_are():
    with pytest.raises(ValueError, match=r"no block 'stage9' .*pathway0-stage4-block1"):
        shapes(ResNet3D(), (4, 16, 16), ("stage9",))
    with pytest.raises(InputError, match=r"no block 'stage8' .*pathway0-stage4-block1"):
        jax.eval_shape(partial(ResNet3D().init, frozen="stage8"), jax.random.key(0), jnp.zeros((1, 4, 16, 16, 3)))
    with pytest.raises(ValueError, match="no stage 5 to compute again; there are 4"):
        jax.eval_shape(partial(ResNet3D().init, remat=(5,)), jax.random.key(0), jnp.zeros((1, 4, 16, 16, 3)))


def test_a_pool_behind_a_stage_is_a_block_and_takes_whole_groups_of_frames(rng):
    trunk = ResNet3D(**ONE_STAGE, temporal_pools=(2,))
    assert trunk.block_names()[-2:] == (SECOND, "pathway0-stage1-pool")
    model = build("r3d_18", 3, **ONE_STAGE, temporal_pools=(2,))
    x = rng.standard_normal((1, 5, 8, 8, 3), np.float32)
    found = jax.jit(partial(trunk.apply, names=(SECOND, "pathway0-stage1-pool")))(trunk_of(model), x)
    pairs = found[SECOND][:, :4].reshape(1, 2, 2, 4, 4, 8)
    np.testing.assert_array_equal(found["pathway0-stage1-pool"], pairs.max(2))
    with pytest.raises(ValueError, match="1 frames reach a pool of 2"):
        shapes(trunk, (1, 8, 8), ())
    assert trunk.enough_frames() == 2 and ResNet3D().enough_frames() == 8


def test_stem_and_stem_pool_can_stride_in_time():
    trunk = ResNet3D(
        **ONE_STAGE, stem_stride=(2, 1), stem_maxpool=True, stem_pool_kernel=(3, 3), stem_pool_stride=(2, 2)
    )
    assert shapes(trunk, (9, 8, 8), ("stem-path0",))["stem-path0"].shape == (1, 3, 4, 4, 4)


def test_a_preactivated_trunk_can_lead_its_first_block_and_close_with_nothing():
    for residual in ("preactivated_basic", "preactivated_bottleneck"):
        for closing in (True, False):
            trunk = ResNet3D(**ONE_STAGE, residual=residual, closing_norm=closing)
            params = jax.eval_shape(trunk.init, jax.random.key(0), jnp.zeros((1, 2, 8, 8, 3)))["params"]
            assert ("bn1" in params["pathway0-stage1-block0"]["residual"]) == (not closing)
            assert (f"{SECOND}-bn" in params) == closing and (f"{SECOND}-relu" in trunk.block_names()) == closing


@pytest.mark.parametrize(
    "options, message",
    [
        ({"residual": "basics"}, "`residual` .='basics'. must be one of basic, basic_r2plus1d"),
        ({"shortcut": "none"}, "`shortcut` .='none'. must be one of postactivated, preactivated, zero_padded"),
        ({"stem": "patch"}, "`stem` .='patch'. must be one of resnext3d, r2plus1d"),
        ({"blocks": (1, 1)}, "`temporal_kernels` .* must have one entry for each of the 2 stages"),
        ({"blocks": (2, 0, 2, 2)}, r"`blocks` .=\(2, 0, 2, 2\). must be at least 1"),
        ({"planes": 0}, "`planes` .=0. must be at least 1"),
        ({"temporal_kernels": ((3,), (), (3,), (3,))}, "`temporal_kernels` .* must be at least 1, and not empty"),
        ({"temporal_kernels": ((3,), (2,), (3,), (3,))}, "`temporal_kernels` .* must be odd"),
        ({"stem_pool_kernel": (0, 3)}, "`stem_pool_kernel` .* must be at least 1"),
        ({"temporal_pools": (0,)}, "`temporal_pools` .* must be at least 1"),
        ({"temporal_pools": (1,) * 5}, "`temporal_pools` .* has more entries than `blocks` .* has stages"),
        ({"norm_epsilon": 0.0}, "`norm_epsilon` .=0.0. must be above 0"),
        ({"groups": 3}, "`groups` .=3. must divide the 64 and 64 channels"),
    ],
)
def test_options_that_do_not_exist_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(ResNet3D(**options).init, jax.random.key(0), jnp.zeros((1, 4, 16, 16, 3)))
