import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from trunks import TINY

from r3d_jax.errors import InputError
from r3d_jax.models.classifier import abstract_variables, build, init_variables, last_of
from r3d_jax.models.head import Head

MODEL = build("r3d_18", 5, **TINY)
VARIABLES_OF = partial(MODEL.init, train=True)
CLIPS = jnp.zeros((2, 4, 16, 16, 3))


@pytest.mark.slow
def test_convolutions_start_kaiming_normal_over_the_fan_out():
    model = build("r3d_18", 5, **TINY | {"planes": 32})
    params = init_variables(model, jax.random.key(0), (2, 16, 16, 3))["params"]
    kernel = params["trunk"]["pathway0-stage2-block0"]["residual"]["conv2"]["kernel"]
    np.testing.assert_allclose(kernel.std(), np.sqrt(2 / (64 * 27)), rtol=0.01)


def test_variables_have_the_same_shapes_without_a_clip():
    clips = jnp.zeros((1, 4, 16, 16, 3))
    model = build("r3d_18", 5, pool=(1, 7, 7), **TINY)  # which a clip of one pixel could not fill
    expected = jax.eval_shape(build("r3d_18", 5, **TINY).init, jax.random.key(0), clips)
    assert abstract_variables(model) == expected


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("r3d_19", {}, "no network 'r3d_19'; there are r3d_18, r3d_34"),
        ("r3d_18", {"final_stride": 2}, "no option 'final_stride' of the trunk; there are blocks, planes"),
        ("r3d_18", {"mean": (0.5,)}, r"`mean` \(=\(0.5,\)\) and `std` .* one value for each channel"),
    ],
)
def test_what_does_not_exist_is_named_with_what_does(name, options, message):
    with pytest.raises(ValueError, match=message):
        build(name, 5, **options)


def test_options_may_be_lists():
    assert hash(build("r3d_18", 5, blocks=[1, 1, 1, 1])) == hash(build("r3d_18", 5, blocks=(1, 1, 1, 1)))


def test_fewer_stages_are_the_lower_ones_of_the_network():
    cut = build("i3d_r50", 5, blocks=(1, 2)).trunk
    assert (cut.temporal_kernels, cut.temporal_strides, cut.spatial_strides) == (((3,), (3, 1)), (1, 1), (1, 2))
    assert build("r3d_18", 5, blocks=(1, 1), planes=4, stem_planes=4) == MODEL


def test_a_pool_of_zeros_is_none():
    assert build("r3d_18", 5, pool=(0, 0, 0)) == build("r3d_18", 5)


def test_a_head_at_a_block_that_does_not_exist_is_refused():
    model = build("r3d_18", 5, block="layer4", **TINY)
    with pytest.raises(ValueError, match=r"no block 'layer4' .*pathway0-stage2-block0"):
        jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 4, 32, 32, 3)))


@pytest.mark.parametrize("heads", [(), (Head(3), Head(4))])
def test_heads_without_names_of_their_own_are_refused(heads):
    with pytest.raises(ValueError, match="needs heads, each with its own `unique_id`"):
        jax.eval_shape(MODEL.clone(heads=heads).init, jax.random.key(0), jnp.zeros((1, 4, 32, 32, 3)))


@pytest.mark.parametrize(
    "part, last",
    [
        ("stem", "stem-path0"),
        ("stem-path0", "stem-path0"),
        ("stage1", "pathway0-stage1-block1"),
        ("pathway0-stage1-block0", "pathway0-stage1-block0"),
        ("stage3", "pathway0-stage3-block1-relu"),
    ],
)
def test_a_part_of_a_trunk_is_a_block_or_a_stage_with_all_of_its_blocks(part, last):
    blocks = ("stem-path0", *(f"pathway0-stage{s}-block{b}" for s in (1, 2, 3) for b in (0, 1)))
    assert last_of((*blocks, "pathway0-stage3-block1-bn", "pathway0-stage3-block1-relu"), part) == last


@pytest.mark.parametrize("part", ["stage3", "layer1", "block0", "pathway0", "stem-path"])
def test_a_part_that_does_not_exist_is_answered_with_those_that_do(part):
    with pytest.raises(InputError) as error:
        jax.eval_shape(partial(VARIABLES_OF, freeze_until=part), jax.random.key(0), CLIPS)
    assert str(error.value) == (
        f"no stage and no block {part!r} in this trunk; its stages: stem, stage1, stage2; its blocks: stem-path0, "
        "pathway0-stage1-block0, pathway0-stage2-block0"
    )


# Two heads on a trunk of a stem and two blocks of two convolutions, the second with a projection.
@pytest.mark.parametrize(
    "until, of_inputs, of_kernels", [("", 5, 6), ("stem", 4, 5), ("stage1", 1, 3), ("pathway0-stage2-block0", 0, 0)]
)
def test_there_is_no_backward_pass_through_frozen_blocks_whatever_head_reads_them(until, of_inputs, of_kernels):
    model = MODEL.clone(heads=(Head(2, block="pathway0-stage1-block0", unique_id="low"), Head(3)))

    def loss(params, stats):
        options = {"train": True, "freeze_until": until, "mutable": ["batch_stats"]}
        (low, high), _ = model.apply({"params": params, "batch_stats": stats}, CLIPS, **options)
        return low.sum() + high.sum()

    variables = abstract_variables(model)
    program = str(jax.make_jaxpr(jax.grad(loss))(variables["params"], variables["batch_stats"]))
    assert [len(re.findall(rf"\bwanted={what}\b", program)) for what in "yxk"] == [6, of_inputs, of_kernels]
