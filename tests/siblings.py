"""Tiny networks of the other kinds than ResNet3D, and how the golden cases of these are compared."""

import jax
import numpy as np
from closeness import close
from seeded import case, clips, tensors

from r3d_jax.models.classifier import Classifier, build
from r3d_jax.weights.torch_names import from_torch

SLOWFAST = {"blocks": (1, 1), "temporal_kernels": ((1,), (3,)), "planes": 32, "stem_planes": 16, "alpha": 4}
X3D = {"blocks": (2, 1), "planes": 8, "stem_planes": 8}


def tiny_slowfast(**head) -> Classifier:
    return build("slowfast_r50", 3, **SLOWFAST, **head)


def tiny_x3d(**head) -> Classifier:
    return build("x3d_s", 3, **X3D, **head)


def golden_run(name, model, places, double=False):
    """(logits, {key of a golden feature: our block's output}) of a golden case's network on its input.

    Args:
      places: {key: block}.
    """
    options, _ = case(name)
    variables, x = from_torch(tensors(options), model), clips(options)
    with jax.enable_x64(double):
        if double:
            variables, x = jax.tree.map(np.float64, (variables, x))

        @jax.jit
        def apply(variables, x):
            trunk = {kind: tree["trunk"] for kind, tree in variables.items()}
            read = model.heads[0].block or model.trunk.block_names()[-1]
            features = model.trunk.apply(trunk, x, names=(*places.values(), read))
            logits = model.heads[0].apply({"params": variables["params"]["heads_0"]}, features[read])
            return logits, {key: features[block] for key, block in places.items()}

        return jax.device_get(apply(variables, x))


def check_golden(name, found, places, tolerance=1e-5):
    """The logits and the statistics of every stage are the golden case's."""
    options, expected = case(name)
    logits, features = found
    close(logits, expected["eval_logits_float64"], tolerance)
    for key in places:
        clip, channels, *grid = options["feature_shapes"][key]
        values = features[key]
        assert values.shape == (clip, *grid, channels), key
        statistics = np.array([values.mean(), values.std(ddof=1), np.abs(values).max()])
        close(statistics, expected[f"feature_mean/{key}"], tolerance)
    assert set(places) == set(options["feature_shapes"])
