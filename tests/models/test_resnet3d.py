import jax
import jax.numpy as jnp
import pytest
from seeded import case

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


def test_an_unknown_block_is_named_with_those_there_are():
    with pytest.raises(ValueError, match=r"no block 'stage9' .*pathway0-stage4-block1"):
        shapes(ResNet3D(), (4, 16, 16), ("stage9",))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"residual": "basics"}, "`residual` .='basics'. must be one of basic, basic_r2plus1d"),
        ({"shortcut": "none"}, "`shortcut` .='none'. must be one of postactivated, preactivated"),
        ({"stem": "patch"}, "`stem` .='patch'. must be one of resnext3d, r2plus1d"),
        ({"blocks": (1, 1)}, "`temporal_kernels` .* must have one entry for each of the 2 stages"),
    ],
)
def test_options_that_do_not_exist_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        shapes(ResNet3D(**options), (4, 16, 16), ())
