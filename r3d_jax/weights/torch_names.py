"""PyTorch state dicts, torchvision's and ClassyVision's, to our variables and back; 2-D kernels inflated to 3-D."""

import re
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from jax.tree_util import tree_leaves_with_path

from r3d_jax.errors import InputError
from r3d_jax.models.classifier import Classifier, abstract_variables
from r3d_jax.models.head import Head
from r3d_jax.models.presets import PRESETS

TORCHVISIONS = [PRESETS[name] for name in ("r3d_18", "mc3_18", "torchvision_r2plus1d_18")]
LEAVES = {"kernel": "weight", "scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}

# Our modules of a branch -> theirs, where they do not follow a rule.
_CLASSY_STEMS = {
    "resnext3d": {"conv1": "conv", "bn1": "bn"},
    "r2plus1d": {"conv1": "conv.0", "bn1": "conv.1", "conv2": "conv.3", "bn2": "bn"},
}
_CLASSY_RESIDUALS = {
    "basic": {"conv1": "0", "bn1": "1", "conv2": "3", "bn2": "4"},
    "basic_r2plus1d": {
        **{"conv1": "0.0", "bn1": "0.1", "conv2": "0.3", "bn2": "1"},
        **{"conv3": "3.0", "bn3": "3.1", "conv4": "3.3", "bn4": "4"},
    },
}
_VIDEO_STEM = {"conv1": "0", "bn1": "1", "conv2": "3", "bn2": "4"}
_VIDEO_FACTORISED = {
    **{"conv1": "conv1.0.0", "bn1": "conv1.0.1", "conv2": "conv1.0.3", "bn2": "conv1.1"},
    **{"conv3": "conv2.0.0", "bn3": "conv2.0.1", "conv4": "conv2.0.3", "bn4": "conv2.1"},
}


def naming_of(names: Iterable[str]) -> str:
    """Whose names the tensors of a state dict have: "classyvision", "torchvision" or "torchvision_2d" (its images').

    Args:
      names: of the tensors.

    Raises:
      InputError: names of something else.
    """
    names = set(names)
    if any(name.startswith("trunk.stem.stem.") for name in names):
        return "classyvision"
    if "stem.0.weight" in names:
        return "torchvision"
    if "conv1.weight" in names and any(name.startswith("layer1.0.") for name in names):
        return "torchvision_2d"
    some = ", ".join(sorted(names)[:3]) or "none"
    raise InputError(
        f"neither a video network of torchvision or ClassyVision nor an image ResNet of torchvision: {some} ..."
    )


def torch_names(model: Classifier, naming: str) -> dict[str, tuple[tuple[str, ...], tuple[int, ...]]]:
    """The names of a network's tensors in PyTorch, in the order in which they are used.

    For example, "stem.0.weight" of torchvision is at ("params", "trunk", "stem-path0", "conv1", "kernel").

    Args:
      naming: one of NAMINGS.

    Returns:
      {name in the state dict: (path in our variables, shape in the state dict)}.

    Raises:
      InputError: a network that the naming has no names for.
    """
    if naming != "classyvision":
        _check_naming(model, naming)
    last = model.trunk.block_names()[-1]
    names = {}
    for path, leaf in tree_leaves_with_path(abstract_variables(model)):
        _, *modules, leaf_name = path = tuple(key.key for key in path)
        name = _head_name(model, modules[0], naming, last) if len(modules) == 1 else None
        name = name or NAMINGS[naming](model.trunk, *modules[1:])
        shape = leaf.shape if leaf.ndim < 2 else (*leaf.shape[:-3:-1], *leaf.shape[:-2])
        names[f"{name}.{LEAVES[leaf_name]}"] = (path, shape)
    order = {block: place for place, block in enumerate(model.trunk.block_names())}
    return dict(sorted(names.items(), key=lambda item: order.get(item[1][0][2], len(order))))


def from_torch(tensors: Mapping[str, np.ndarray], model: Classifier) -> dict:
    """`params` and `batch_stats` of a network from a PyTorch state dict, in float32.

    A kernel of one frame, or an image network's, that ours gives more frames is repeated over them and divided by
    their number, as I3D does (Carreira & Zisserman, arXiv:1705.07750).

    Args:
      tensors: {name: array}, under names of any of NAMINGS.
      model: the network.

    Raises:
      InputError: tensors that are missing, superfluous or of another shape, all named at once; names of something else.
    """
    tensors = {name: value for name, value in tensors.items() if not name.endswith("num_batches_tracked")}
    names = torch_names(model, naming_of(tensors))
    faults = [f"missing: {name} {list(shape)}" for name, (_, shape) in names.items() if name not in tensors]
    faults += [f"superfluous: {name} {list(value.shape)}" for name, value in tensors.items() if name not in names]
    variables = {"params": {}, "batch_stats": {}}
    for name, (path, shape) in names.items():
        if name not in tensors:
            continue
        value = _inflated(np.asarray(tensors[name]), shape)
        if value.shape != shape:
            faults.append(f"misshaped: {name} is {list(tensors[name].shape)} and should be {list(shape)}")
            continue
        node = variables
        for key in path[:-1]:
            node = node.setdefault(key, {})
        value = value if value.ndim < 2 else np.moveaxis(value, (0, 1), (-1, -2))
        node[path[-1]] = np.ascontiguousarray(value, np.float32)
    if faults:
        raise InputError("these weights are not of this network:\n  " + "\n  ".join(faults))
    return variables


def to_torch(variables: dict, model: Classifier, naming: str) -> dict[str, np.ndarray]:
    """The state dict of a network, `num_batches_tracked` (zero) included, which PyTorch loads with `strict=True`.

    Args:
      variables: `params` and `batch_stats` of `model`.
      naming: whose names the tensors get: "classyvision" or "torchvision".

    Raises:
      InputError: a network that the naming has no names for.
    """
    tensors = {}
    for name, (path, _) in torch_names(model, naming).items():
        value = variables
        for key in path:
            value = value[key]
        value = np.asarray(value, np.float32)
        tensors[name] = np.ascontiguousarray(value if value.ndim < 2 else np.moveaxis(value, (-1, -2), (0, 1)))
        if name.endswith("running_var"):
            tensors[name.replace("running_var", "num_batches_tracked")] = np.zeros((), np.int64)
    return tensors


def usual_naming(model: Classifier) -> str:
    """Whose names a network's tensors usually get: "torchvision" where that has the network, else "classyvision"."""
    single = len(model.heads) == 1 and model.heads[0].block in ("", model.trunk.block_names()[-1])
    return "torchvision" if single and model.trunk in TORCHVISIONS else "classyvision"


def heads_of(tensors: Mapping[str, np.ndarray]) -> tuple[Head, ...]:
    """The heads that a state dict tells of, pooling any grid; ClassyVision's average probabilities.

    Raises:
      InputError: there is none.
    """
    heads = []
    for name, value in tensors.items():
        if name == "fc.weight":
            heads.append(Head(len(value)))
        elif found := re.match(r"heads\.(.+?)\.(.+)\.head_fcl\.projection\.weight$", name):
            heads.append(Head(len(value), block=found[1], unique_id=found[2], average="probabilities"))
    if not heads:
        raise InputError("these weights have no head (fc.weight, or ClassyVision's head_fcl.projection.weight)")
    return tuple(heads)


def _inflated(value, shape):
    if value.ndim == 4 and len(shape) == 5:
        value = value[:, :, None]
    if value.ndim == 5 and value.shape[2] == 1 < shape[2]:
        value = np.repeat(value, shape[2], 2) / shape[2]
    return value


def _check_naming(model, naming):
    """Refuses what torchvision's classes cannot hold; `torchvision_2d` is only ever read."""
    if model.trunk.residual == "preactivated_bottleneck":
        raise InputError("torchvision has no names for a pre-activated network; ClassyVision has")
    last = model.trunk.block_names()[-1]
    if len(model.heads) != 1 or model.heads[0].block not in ("", last):
        raise InputError(f"torchvision has one head, on the last block ({last}); name ClassyVision's naming instead")


def _head_name(model, module, naming, last):
    """The name of the linear layer `heads_{i}`."""
    if naming != "classyvision":
        return "fc"
    head = model.heads[int(module.removeprefix("heads_"))]
    return f"heads.{head.block or last}.{head.unique_id}.head_fcl.projection"


def _classyvision(trunk, block, branch=None, module=None):
    if block == "stem-path0":
        return f"trunk.stem.stem.stem-path0.{_CLASSY_STEMS[trunk.stem.partition('_')[0]][branch]}"
    stage = re.match(r"pathway0-stage(\d+)", block)[1]
    prefix = f"trunk.stages.{int(stage) - 1}.pathway0.{block}"
    if branch is None:
        return prefix
    kind, number = module[:-1], int(module[-1])
    if branch == "shortcut":
        return f"{prefix}.skip.branch1{'_bn' if kind == 'bn' else ''}"
    if trunk.residual in _CLASSY_RESIDUALS:
        return f"{prefix}.residual.transform.{_CLASSY_RESIDUALS[trunk.residual][module]}"
    return f"{prefix}.residual.branch2{'abc'[number - 1]}{'_bn' if kind == 'bn' else ''}"


def _torchvision(trunk, block, branch=None, module=None):
    if block == "stem-path0":
        return f"stem.{_VIDEO_STEM[branch]}"
    prefix = _layer(block)
    kind, number = module[:-1], module[-1]
    if branch == "shortcut":
        return f"{prefix}.downsample.{int(kind == 'bn')}"
    if trunk.residual == "basic_r2plus1d":
        return f"{prefix}.{_VIDEO_FACTORISED[module]}"
    return f"{prefix}.conv{number}.{int(kind == 'bn')}"


def _torchvision_2d(trunk, block, branch=None, module=None):
    if block == "stem-path0":
        return branch
    if branch == "shortcut":
        return f"{_layer(block)}.downsample.{int(module.startswith('bn'))}"
    return f"{_layer(block)}.{module}"


def _layer(block):
    stage, number = re.match(r"pathway0-stage(\d+)-block(\d+)", block).groups()
    return f"layer{stage}.{number}"


NAMINGS: dict[str, Callable] = {
    "classyvision": _classyvision,
    "torchvision": _torchvision,
    "torchvision_2d": _torchvision_2d,
}
