"""The weights and inputs of the golden cases: a function of names, shapes and seeds, and their names in our trees."""

import json
import re
import zlib
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parent / "golden"


def case_of(name):
    """The options of a golden case."""
    return json.loads((GOLDEN / f"{name}.json").read_text())


def arrays_of(name):
    """The arrays of a golden case."""
    with np.load(GOLDEN / f"{name}.npz") as arrays:
        return dict(arrays)


def case(name):
    """Both."""
    return case_of(name), arrays_of(name)


def tensor(name, shape):
    """The tensor that the reference was given under `name`."""
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
    """The network input, our axis order."""
    draw = np.random.default_rng(options["input_seed"]).standard_normal(options["input_shape"])
    return draw.astype(np.float32).transpose(0, 2, 3, 4, 1)


def variables(tensors):
    """Our `params` and `batch_stats` from a state dict of a post-activated basic network with one head."""
    tree = {"params": {}, "batch_stats": {}}
    for name, value in tensors.items():
        if name.endswith("num_batches_tracked"):
            continue
        module, leaf = name.rsplit(".", 1)
        leaf = {"running_mean": "mean", "running_var": "var"}.get(leaf, leaf)
        node = tree["batch_stats" if leaf in ("mean", "var") else "params"]
        for key in _path(module):
            node = node.setdefault(key, {})
        if leaf == "weight":
            leaf, value = ("scale", value) if value.ndim == 1 else ("kernel", np.moveaxis(value, (0, 1), (-1, -2)))
        node[leaf] = value
    return tree


def _path(module):
    if module.startswith("heads."):
        return ["heads_0"]
    if stem := re.search(r"stem-path0\.(conv|bn)$", module):
        return ["trunk", "stem-path0", f"{stem[1]}1"]
    block = re.search(r"pathway0-stage\d+-block\d+", module)[0]
    if "skip" in module:
        return ["trunk", block, "shortcut", "bn1" if module.endswith("_bn") else "conv1"]
    place = int(module.rsplit(".", 1)[1])
    return ["trunk", block, "residual", {0: "conv1", 1: "bn1", 3: "conv2", 4: "bn2"}[place]]
