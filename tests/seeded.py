"""The networks, weights and inputs of the golden cases: weights are a function of names and shapes."""

import json
import zlib
from pathlib import Path

import numpy as np

from r3d_jax.models.classifier import build
from r3d_jax.weights.classyvision import from_classyvision
from r3d_jax.weights.torch_names import from_torch, refusal_of, torch_names, usual_naming

GOLDEN = Path(__file__).parent / "golden"


def case_of(name):
    """The options of a golden case."""
    return json.loads((GOLDEN / f"{name}.json").read_text())


def arrays_of(name):
    """The arrays of a golden case."""
    with np.load(GOLDEN / f"{name}.npz") as arrays:
        return dict(arrays)


def case(name):
    """The options and the arrays of a golden case."""
    return case_of(name), arrays_of(name)


def tensor(name, shape):
    """The tensor that the reference was given under `name`."""
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    draw = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith("running_var"):
        draw = np.exp(0.1 * draw)
    elif name.endswith("running_mean") or name.endswith("bias"):
        draw = 0.1 * draw
    elif len(shape) == 5:
        draw = draw * np.sqrt(2 / (shape[0] * np.prod(shape[2:])))
    elif len(shape) == 2:
        draw = draw / np.sqrt(shape[1])
    else:
        draw = 1 + 0.1 * draw
    return draw.astype(np.float32)


def clips(options):
    """The input of the case's network, in our axis order."""
    draw = np.random.default_rng(options["input_seed"]).standard_normal(options["input_shape"])
    return draw.astype(np.float32).transpose(0, 2, 3, 4, 1)


def model(options):
    """The network of a golden case: ClassyVision's from its configuration, torchvision's from its name."""
    if "model" not in options:
        name = options["source"].removeprefix("torchvision ").replace("r2plus1d", "torchvision_r2plus1d")
        return build(name, options["num_classes"])
    heads = [head | {"fork_block": block} for block, head in options["heads"]]
    return from_classyvision(options["model"] | {"heads": heads})


def tensors(options):
    """The state dict of the case's network."""
    return {name: tensor(name, shape) for name, shape in options["shapes"].items()}


def weights(options):
    """The `params` and `batch_stats` of the case's network."""
    return from_torch(tensors(options), model(options))


def drawn(network):
    """Variables of any network, in no time: `init_variables` would compile for seconds."""
    names = torch_names(network, usual_naming(network) if refusal_of(network, "classyvision") else "classyvision")
    return from_torch({name: tensor(name, shape) for name, (_, shape) in names.items()}, network)
