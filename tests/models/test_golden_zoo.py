"""Networks of PyTorchVideo, mmaction2, 3D-ResNets-PyTorch and IG-65M compute what their own code does."""

import flax
import jax
import numpy as np
import pytest
from blockwise import blockwise
from closeness import close
from namings import thin
from seeded import arrays_of, case_of, clips, drawn, tensors
from trunks import FAST, SOON

from r3d_jax.models import resnet3d
from r3d_jax.models.classifier import build
from r3d_jax.models.cost import cost
from r3d_jax.weights.recognise import recognise
from r3d_jax.weights.torch_names import from_torch, naming_of, to_torch

pytestmark = pytest.mark.slow

NAMES = {  # of a case, the network
    "ptv_slow_r50": "slow_r50",
    "ptv_i3d_r50": "pytorchvideo_i3d_r50",
    "ptv_c2d_r50": "c2d_r50",
    "ptv_csn_r101": "csn_r101",
    "mmaction2_slowonly_r50": "slow_r50",
    "mmaction2_ircsn_r50": "ircsn_50",
    "kenshohara_r3d18": "kenshohara_r3d_18",
    "kenshohara_r3d50": "kenshohara_r3d_50",
    "ig65m_r2plus1d_34": "vmz_r2plus1d_34",
}


def network_of(name):
    """The network, with a head that pools as many cells as the case's, and the blocks that the case tells of."""
    options = case_of(name)
    grid, cells = options["feature_shapes"]["stage4"][2:], options["head_cells"]
    model = build(NAMES[name], options["num_classes"], pool=tuple(g - c + 1 for g, c in zip(grid, cells)))
    blocks = {"stem": "stem-path0", "stage1_pool": "pathway0-stage1-pool"}
    blocks |= {f"stage{s}": f"pathway0-stage{s}-block{n - 1}" for s, n in enumerate(model.trunk.blocks, start=1)}
    return model, {key: blocks[key] for key in options["feature_shapes"]}


def outputs(variables, x, *, model, blocks, effort):
    """The logits, and the outputs of blocks."""
    trunk = {kind: tree["trunk"] for kind, tree in variables.items()}
    features = blockwise(model.trunk, compiler_options=effort)(trunk, x, names=tuple(blocks.values()))
    head = {"params": variables["params"]["heads_0"]}
    return model.heads[0].apply(head, features[blocks["stage4"]]), {key: features[name] for key, name in blocks.items()}


def check(name, found, *, tolerance):
    options, expected = case_of(name), arrays_of(name)
    logits, features = found
    close(logits, expected["eval_logits_float64"], tolerance)
    for key, (clip, channels, *grid) in options["feature_shapes"].items():
        values = np.asarray(features[key])
        assert values.shape == (clip, *grid, channels), key
        close(
            np.array([values.mean(), values.std(ddof=1), np.abs(values).max()]),
            expected[f"feature_mean/{key}"],
            tolerance,
        )


def run(name, variables, dtype):
    """The case's outputs in a precision."""
    model, blocks = network_of(name)
    with jax.enable_x64(dtype == np.float64):
        variables, x = jax.tree.map(lambda leaf: leaf.astype(dtype), (variables, clips(case_of(name))))
        effort = SOON if "csn" in name else FAST  # whose convolutions compute little
        return jax.device_get(outputs(variables, x, model=model, blocks=blocks, effort=effort))


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_read_as_it_is_meant_and_gives_the_originals_answers(name):
    """Within 1e-10 of them, stage by stage; and the file is written back bit for bit."""
    options, (model, _) = case_of(name), network_of(name)
    given = tensors(options)
    naming = naming_of(given)
    recognised, _ = recognise(given, naming, "", None)
    assert recognised.trunk == model.trunk and recognised.heads[0].num_classes == options["num_classes"]
    assert cost(model, tuple(options["input_shape"][2:])) == (options["parameters"], options["multiply_adds"])
    variables = from_torch(given, model)
    if name == "mmaction2_slowonly_r50":  # the function of ptv_slow_r50
        check(name, run(name, variables, np.float32), tolerance=1e-5)
    else:
        check(name, run(name, variables, np.float64), tolerance=1e-10)
    for key, value in to_torch(variables, model, naming).items():
        np.testing.assert_array_equal(value, given.pop(key))
    assert not given


def stride_in_the_first(convs):
    """Of a bottleneck: mmaction2's `caffe` style, and not what these projects publish."""
    stride = next(conv.stride for conv in convs if conv.stride != (1, 1, 1))
    return (convs[0]._replace(stride=stride), *(conv._replace(stride=(1, 1, 1)) for conv in convs[1:]))


MUTANTS = [  # a network, and options or convolutions with which its weights mean something else
    ("pytorchvideo_i3d_r50", {"temporal_pools": ()}),
    ("pytorchvideo_i3d_r50", stride_in_the_first),
    ("mmaction2_i3d_r50", {"stem_stride": (1, 2)}),
    ("mmaction2_i3d_r50", {"stem_pool_stride": (1, 2)}),
    ("ircsn_50", {"norm_epsilon": 1e-5}),
    ("ircsn_50", stride_in_the_first),
    ("ipcsn_152", lambda convs: tuple(conv._replace(relu=True) for conv in convs)),
    ("vmz_r2plus1d_152", {"stem_maxpool": False}),
    ("kenshohara_r3d_18", {"stem_pool_kernel": (1, 3)}),
    ("kenshohara_r3d_18", {"stem_pool_stride": (1, 2)}),
    ("kenshohara_preresnet_200", {"closing_relu": True}),
]


@pytest.mark.parametrize("name, change", MUTANTS)
def test_weights_under_another_option_give_other_logits(name, change, monkeypatch):
    model = thin(name)
    variables, x = drawn(model), np.random.default_rng(0).standard_normal((1, 16, 32, 32, 3), np.float32)
    expected = blockwise(model, compiler_options=SOON)(variables, x)
    if callable(change):
        convs = resnet3d.residual_convs
        monkeypatch.setattr(
            resnet3d, "residual_convs", lambda *kind, **options: changed(convs(*kind, **options), change)
        )
        mutant = model
    else:
        mutant = model.clone(trunk=model.trunk.clone(**change))
    found = blockwise(mutant, compiler_options=SOON)(variables, x)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        close(found, expected, 1e-4)


def changed(convs, change):
    return change(convs) if len(convs) == 4 or any(conv.stride != (1, 1, 1) for conv in convs) else convs


def test_another_number_of_groups_does_not_take_the_weights():
    model = thin("kenshohara_resnext_101", groups=2)
    variables, mutant = drawn(model), model.clone(trunk=model.trunk.clone(groups=1, width_per_group=8))
    with pytest.raises(flax.errors.ScopeParamShapeError, match="conv2"):
        jax.eval_shape(mutant.apply, variables, np.zeros((1, 16, 32, 32, 3), np.float32))
