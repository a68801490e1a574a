import pytest
from seeded import case_of

from r3d_jax.models.cost import parameters
from r3d_jax.models.presets import PRESETS
from r3d_jax.weights.classyvision import from_classyvision

HEAD = {
    "name": "fully_convolutional_linear",
    "fork_block": "pathway0-stage4-block2",
    "in_plane": 2048,
    "num_classes": 400,
}
I3D = {
    **{"name": "resnext3d", "frames_per_clip": 8, "input_planes": 3, "clip_crop_size": 224, "num_classes": 400},
    **{"skip_transformation_type": "postactivated_shortcut", "num_blocks": [3, 4, 6, 3], "input_key": "video"},
    **{"residual_transformation_type": "postactivated_bottleneck_transformation", "stem_name": "resnext3d_stem"},
    **{"stem_planes": 64, "stem_temporal_kernel": 5, "stem_spatial_kernel": 7, "stem_maxpool": True},
    **{"stage_planes": 256, "stage_temporal_kernel_basis": [[3], [3, 1], [3, 1], [1, 3]], "width_per_group": 64},
    **{"temporal_conv_1x1": [True] * 4, "stage_temporal_stride": [1] * 4, "stage_spatial_stride": [1, 2, 2, 2]},
    **{"num_groups": 1, "zero_init_residual_transform": True, "freeze_trunk": False},
    "heads": [HEAD | {"pool_size": [8, 7, 7], "activation_func": "softmax", "use_dropout": True}],
}


def test_its_kinetics_configuration_is_our_i3d_r50():
    network = from_classyvision(I3D)
    assert network.trunk == PRESETS["i3d_r50"]
    head = network.heads[0]
    assert (head.pool, head.dropout, head.average) == ((8, 7, 7), 0.5, "probabilities")
    assert parameters(network) == 28_043_472


def test_its_preactivated_kinetics_configuration_has_27_985_136_parameters():
    preactivated = {
        **{"skip_transformation_type": "preactivated_shortcut", "stem_planes": 32, "stem_spatial_kernel": 5},
        **{"residual_transformation_type": "preactivated_bottleneck_transformation", "stem_temporal_kernel": 3},
        **{"stage_temporal_stride": [1, 2, 1, 1]},
        "heads": [HEAD | {"fork_block": "pathway0-stage4-block2-relu", "pool_size": [4, 7, 7]}],
    }
    assert parameters(from_classyvision(I3D | preactivated)) == 27_985_136


def test_basic_blocks_keep_their_temporal_kernels():
    options = case_of("classy_tiny_basic_train")
    config = options["model"] | {"heads": [options["heads"][0][1]]}
    other = config | {"stage_temporal_kernel_basis": [[1]] * 4, "temporal_conv_1x1": [True] * 4}
    assert from_classyvision(other).trunk == from_classyvision(config).trunk


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"final_stride": 2},
            "the model of this ClassyVision configuration has options that do not exist: 'final_stride'",
        ),
        ({"num_blocks": None}, "lacks 'num_blocks'"),
        ({"heads": []}, "lacks 'heads'"),
        ({"heads": [{"name": "mlp", "num_classes": 3}]}, "a head 'mlp' cannot be converted"),
        ({"heads": [HEAD | {"conv_planes": 3}]}, "a head of this .* options that do not exist: 'conv_planes'"),
        ({"heads": [{"fork_block": "x"}]}, "lacks 'num_classes'"),
    ],
)
def test_what_the_reference_ignores_or_crashes_on_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        from_classyvision(I3D | change)
