"""Networks of PyTorchVideo, mmaction2, 3D-ResNets-PyTorch and IG-65M compute what their own code does."""

from functools import partial

import jax
import numpy as np
import pytest
from closeness import close
from seeded import arrays_of, case_of, clips, tensors
from trunks import SOON

from r3d_jax.models.classifier import build
from r3d_jax.models.cost import parameters
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


def outputs(variables, x, *, model, blocks):
    """The logits, and the outputs of blocks."""
    trunk = {kind: tree["trunk"] for kind, tree in variables.items()}
    features = model.trunk.apply(trunk, x, names=tuple(blocks.values()))
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


@pytest.mark.parametrize("name", NAMES)
def test_logits_and_stages_are_the_originals(name):
    options, (model, blocks) = case_of(name), network_of(name)
    given = tensors(options)
    naming = naming_of(given)
    recognised, _ = recognise(given, naming, "", None)
    assert recognised.trunk == model.trunk and parameters(model) == options["parameters"]
    single = from_torch(given, model)
    for key, value in to_torch(single, model, naming).items():
        np.testing.assert_array_equal(value, given.pop(key))
    assert not given
    run = partial(outputs, model=model, blocks=blocks)
    with jax.enable_x64(True):
        double = jax.tree.map(lambda leaf: leaf.astype(np.float64), single)
        found = jax.device_get(jax.jit(run, compiler_options=SOON)(double, clips(options).astype(np.float64)))
    check(name, found, tolerance=1e-10)
