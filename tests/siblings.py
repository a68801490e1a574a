"""Tiny SlowFast and X3D networks, and how the golden cases of the real ones are compared."""

from functools import cache

import jax
import numpy as np
from blockwise import blockwise
from closeness import close
from seeded import arrays_of, case_of, clips, tensors
from trunks import FAST, SOON

from r3d_jax.models.classifier import build
from r3d_jax.weights.torch_names import from_torch

SLOWFAST = {"blocks": (1, 1), "temporal_kernels": ((1,), (3,)), "fast_temporal_kernels": ((3,), (3,)), "alpha": 2}
SLOWFAST |= {"planes": 32, "stem_planes": 16}
X3D = {"blocks": (2, 1), "planes": 8, "stem_planes": 8}
# One stage, for what does not depend on more.
ONE = {"slowfast_r50": {name: value[:1] for name, value in SLOWFAST.items() if isinstance(value, tuple)}}
ONE |= {"x3d_s": {"blocks": (2,)}}
TINY = {"slowfast_r50": SLOWFAST, "mmaction2_slowfast_r50": SLOWFAST, "x3d_s": X3D}


def tiny(name, **options):
    """A network of two stages and few channels for three classes."""
    return build(name, 3, **TINY[name] | options)


@cache
def inputs(name, model):
    """Variables and clips of a golden case."""
    options = case_of(name)
    return from_torch(tensors(options), model), clips(options)


def stages(name, model, places, *, double=False):
    """The outputs of blocks of a golden case's network on its input, and of the one that its head reads.

    Args:
      places: {key in the golden file: block}; the last of the trunk's blocks comes under "read" if all are asked for.
      double: in float64.
    """
    variables, x = inputs(name, model)
    every = len(places) == len(case_of(name)["feature_shapes"])
    places = places | ({"read": model.trunk.block_names()[-1]} if every else {})
    with jax.enable_x64(double):
        if double:
            variables, x = jax.tree.map(np.float64, (variables, x))
        trunk = {kind: tree["trunk"] for kind, tree in variables.items()}
        effort = SOON if "x3d" in name else FAST  # whose convolutions compute little
        features = blockwise(model.trunk, compiler_options=effort)(trunk, x, names=tuple(places.values()))
        return {key: np.array(features[block]) for key, block in places.items()}


def logits(name, model, features):
    """What the head of a golden case's network says of the block that it reads, in that's precision."""
    params = jax.tree.map(lambda x: x.astype(features.dtype), inputs(name, model)[0]["params"]["heads_0"])
    with jax.enable_x64(features.dtype == np.float64):
        return np.array(jax.jit(model.heads[0].apply)({"params": params}, features))


def check_stages(name, found, tolerance=1e-5):
    """The shapes and the statistics of the stages found are the golden case's."""
    options, expected = case_of(name), arrays_of(name)
    for key in found.keys() - {"read"}:
        clip, channels, *grid = options["feature_shapes"][key]
        assert found[key].shape == (clip, *grid, channels), key
        statistics = np.array([found[key].mean(), found[key].std(ddof=1), np.abs(found[key]).max()])
        close(statistics, expected[f"feature_mean/{key}"], tolerance)


def check_golden(name, model, places, *, double):
    """All stages and the logits are the golden case's: within 1e-5 in float32, within 1e-10 in float64."""
    tolerance = 1e-10 if double else 1e-5
    found = stages(name, model, places, double=double)
    assert found.keys() - {"read"} == set(case_of(name)["feature_shapes"])
    check_stages(name, found, tolerance)
    close(logits(name, model, found["read"]), arrays_of(name)["eval_logits_float64"], tolerance)
    return found
