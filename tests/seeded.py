"""The weights and inputs of the golden cases: a function of names, shapes and seeds, and their names in our trees."""

import json
import re
import zlib
from pathlib import Path

import numpy as np

from r3d_jax.models.classifier import Classifier
from r3d_jax.models.head import Head
from r3d_jax.models.resnet3d import ResNet3D

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


def model(options, average="probabilities"):
    """The network of a golden case."""
    given, count = options["model"], len(options["model"]["num_blocks"])
    trunk = ResNet3D(
        blocks=tuple(given["num_blocks"]),
        planes=given.get("stage_planes", 256),
        residual=given["residual_transformation_type"].removesuffix("_transformation"),
        shortcut=given["skip_transformation_type"].removesuffix("_shortcut"),
        stem=given.get("stem_name", "resnext3d_stem").removesuffix("_stem"),
        stem_planes=given.get("stem_planes", 64),
        stem_kernel=(given.get("stem_temporal_kernel", 3), given.get("stem_spatial_kernel", 7)),
        stem_maxpool=given.get("stem_maxpool", False),
        temporal_kernels=tuple(map(tuple, given.get("stage_temporal_kernel_basis", [[3]] * count))),
        temporal_conv_1x1=tuple(given.get("temporal_conv_1x1", [False] * count)),
        temporal_strides=tuple(given.get("stage_temporal_stride", [1, 2, 2, 2])),
        groups=given.get("num_groups", 1),
        width_per_group=given.get("width_per_group", 64),
    )
    heads = tuple(
        Head(
            head["num_classes"],
            block=block,
            pool=tuple(head["pool_size"]) if head["pool_size"] else None,
            activation=head.get("activation_func", "softmax"),
            average=average,
        )
        for block, head in options["heads"]
    )
    return Classifier(trunk, heads)


def weights(options):
    """Its `params` and `batch_stats`."""
    return variables({name: tensor(name, shape) for name, shape in options["shapes"].items()})


def variables(tensors):
    """Our `params` and `batch_stats` from a state dict of the reference."""
    tree = {"params": {}, "batch_stats": {}}
    heads = list(dict.fromkeys(name.rsplit(".", 3)[0] for name in tensors if name.startswith("heads.")))
    factorised = any(".transform.0.0." in name for name in tensors)
    for name, value in tensors.items():
        if name.endswith("num_batches_tracked"):
            continue
        module, leaf = name.rsplit(".", 1)
        leaf = {"running_mean": "mean", "running_var": "var"}.get(leaf, leaf)
        node = tree["batch_stats" if leaf in ("mean", "var") else "params"]
        head = name.rsplit(".", 3)[0]
        for key in [f"heads_{heads.index(head)}"] if head in heads else _path(module, factorised):
            node = node.setdefault(key, {})
        if leaf == "weight":
            leaf, value = ("scale", value) if value.ndim == 1 else ("kernel", np.moveaxis(value, (0, 1), (-1, -2)))
        node[leaf] = value
    return tree


BASIC = {"0": "conv1", "1": "bn1", "3": "conv2", "4": "bn2"}
FACTORISED = {"0.0": "conv1", "0.1": "bn1", "0.3": "conv2", "1": "bn2"}
FACTORISED |= {"3.0": "conv3", "3.1": "bn3", "3.3": "conv4", "4": "bn4"}
STEM = {"conv": "conv1", "bn": "bn1"}
FACTORISED_STEM = {"conv.0": "conv1", "conv.1": "bn1", "conv.3": "conv2", "bn": "bn2"}


def _path(module, factorised):
    if stem := re.search(r"stem-path0\.(.+)$", module):
        return ["trunk", "stem-path0", (FACTORISED_STEM if factorised else STEM)[stem[1]]]
    block, inside = re.search(r"(pathway0-stage\d+-block\d+(?:-bn)?)\.?(.*)$", module).groups()
    if not inside:
        return ["trunk", block]
    if inside.startswith("skip."):
        return ["trunk", block, "shortcut", "bn1" if inside.endswith("_bn") else "conv1"]
    if bottleneck := re.match(r"residual\.branch2([abc])(_bn)?$", inside):
        return ["trunk", block, "residual", f"{'bn' if bottleneck[2] else 'conv'}{'abc'.index(bottleneck[1]) + 1}"]
    places = FACTORISED if factorised else BASIC
    return ["trunk", block, "residual", places[inside.removeprefix("residual.transform.")]]
