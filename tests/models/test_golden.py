"""Every option of the trunk and the head computes what the reference computes; a broken network does not."""

from functools import partial

import jax
import numpy as np
import pytest
from closeness import close
from jax import lax
from seeded import GOLDEN, case, case_of, clips, model, weights
from trunks import FAST, SOON

from r3d_jax.models import blocks, resnet3d
from r3d_jax.models.cost import parameters
from r3d_jax.models.head import ACTIVATIONS
from r3d_jax.models.norm import BatchNorm

pytestmark = pytest.mark.slow

NAMES = sorted(path.stem for pattern in ("classy_*.npz", "torchvision_*.npz") for path in GOLDEN.glob(pattern))
CASES = [name for name in NAMES if not name.endswith("64")]  # steps in float64 are tests/training/test_steps.py's


def same_padding(monkeypatch):
    def conv3d(x, kernel, stride, *, padding, groups):
        naming = ("NDHWC", "DHWIO", "NDHWC")
        return lax.conv_general_dilated(x, kernel, stride, "SAME", dimension_numbers=naming, feature_group_count=groups)

    monkeypatch.setattr(blocks, "conv3d", conv3d)


def larger_epsilon(monkeypatch):
    monkeypatch.setattr(resnet3d, "BatchNorm", lambda **options: BatchNorm(**options | {"epsilon": 1e-3}))


def bare_shortcut(monkeypatch):
    norm = BatchNorm.__call__
    bare = lambda self, x: x if "shortcut" in self.scope.path else norm(self, x)  # noqa: E731
    monkeypatch.setattr(BatchNorm, "__call__", bare)


def with_larger_epsilon(variables):
    """Running variances that make an epsilon of 1e-5 one of 1e-3: the mutant without compiling a second time."""

    def larger(path, leaf):
        return leaf + (1e-3 - 1e-5) if path[-1].key == "var" else leaf

    return jax.tree_util.tree_map_with_path(larger, variables)


def run(name, effort=None):
    """variables -> (logits of each head, outputs of every block), compiled, of the case's network on its input."""
    options = case_of(name)
    network, x = model(options), clips(options)
    if "feature_shapes" not in options:
        x = x[:1]  # one clip does, to save time
        return jax.jit(lambda variables: ((network.apply(variables, x),), {}), compiler_options=FAST)

    @partial(jax.jit, compiler_options=effort)
    def apply(variables):
        trunk = {kind: tree["trunk"] for kind, tree in variables.items()}
        blocks = network.trunk.apply(trunk, x, names=network.trunk.block_names())
        logits = network.apply(variables, x)
        return (logits if isinstance(logits, tuple) else (logits,)), blocks

    return apply


def check(name, found):
    options, expected = case(name)
    logits, features = found
    if "model" not in options:
        close(logits[0], expected["eval_logits"][:1])
        return
    ids = [f"eval_probs/{head['unique_id']}" for _, head in options["heads"]] if len(logits) > 1 else ["eval_probs"]
    for head, rows, key in zip(model(options).heads, logits, ids, strict=True):
        close(ACTIVATIONS[head.activation](rows), expected[key])
    assert set(features) == set(options["feature_shapes"])
    for block, (clip, channels, *grid) in options["feature_shapes"].items():
        values = features[block]
        assert values.shape == (clip, *grid, channels), block
        close(np.array([values.mean(), values.std(ddof=1), np.abs(values).max()]), expected[f"feature_mean/{block}"])


@pytest.mark.parametrize("name", CASES)
def test_outputs_and_blocks_are_the_references(name):
    options = case_of(name)
    assert parameters(model(options)) == options["parameters"]
    apply, variables = run(name), weights(options)
    check(name, jax.device_get(apply(variables)))
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check(name, jax.device_get(apply(with_larger_epsilon(variables))))


@pytest.mark.parametrize("mutate", [same_padding, larger_epsilon, bare_shortcut])
def test_a_broken_network_is_noticed(mutate, monkeypatch, name="classy_tiny_two_heads"):
    variables = weights(case_of(name))
    mutate(monkeypatch)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check(name, jax.device_get(run(name, SOON)(variables)))
