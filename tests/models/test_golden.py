"""Every option of the trunk and the head computes what the reference computes."""

import jax
import numpy as np
import pytest
from seeded import GOLDEN, case, clips, model, weights

from r3d_jax.models.head import ACTIVATIONS

CASES = sorted(path.stem for path in GOLDEN.glob("classy_*.npz"))


@pytest.mark.parametrize("name", CASES)
def test_outputs_are_the_references(name):
    options, expected = case(name)
    network, variables = model(options), weights(options)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    assert parameters == options["parameters"]
    found = jax.jit(network.apply)(variables, clips(options))
    found = found if isinstance(found, tuple) else (found,)
    names = [f"eval_probs/{head['unique_id']}" for _, head in options["heads"]] if len(found) > 1 else ["eval_probs"]
    for head, logits, name in zip(network.heads, found, names):
        np.testing.assert_allclose(ACTIVATIONS[head.activation](logits), expected[name], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", [name for name in CASES if "tiny" in name])
def test_every_block_has_the_references_shape_and_statistics(name):
    options, expected = case(name)
    trunk, variables = model(options).trunk, weights(options)
    inner = {kind: tree.get("trunk", {}) for kind, tree in variables.items()}
    names = trunk.block_names()
    blocks = jax.jit(lambda variables, x: trunk.apply(variables, x, names=names))(inner, clips(options))
    assert set(blocks) == set(options["feature_shapes"])
    for block, (clip, channels, *grid) in options["feature_shapes"].items():
        features = blocks[block]
        assert features.shape == (clip, *grid, channels), block
        statistics = [features.mean(), features.std(ddof=1), np.abs(features).max()]
        np.testing.assert_allclose(statistics, expected[f"feature_mean/{block}"], rtol=1e-4, atol=1e-6, err_msg=block)
