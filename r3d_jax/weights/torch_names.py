"""PyTorch state dicts, under the names of several projects, to our variables and back; 2-D kernels inflated to 3-D."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from jax.tree_util import tree_leaves_with_path

from r3d_jax.errors import InputError
from r3d_jax.models.classifier import Classifier, abstract_variables
from r3d_jax.models.head import Head
from r3d_jax.models.presets import PRESETS
from r3d_jax.models.slowfast import SlowFast
from r3d_jax.models.x3d import X3D
from r3d_jax.weights import naming_slowfast, naming_x3d
from r3d_jax.weights.naming import Naming
from r3d_jax.weights.naming_classyvision import CLASSYVISION
from r3d_jax.weights.naming_kenshohara import KENSHOHARA
from r3d_jax.weights.naming_mmaction2 import MMACTION2
from r3d_jax.weights.naming_pyslowfast import PYSLOWFAST
from r3d_jax.weights.naming_pytorchvideo import PYTORCHVIDEO
from r3d_jax.weights.naming_torchvision import TORCHVISION, TORCHVISION_2D

TORCHVISIONS = [PRESETS[name] for name in ("r3d_18", "mc3_18", "torchvision_r2plus1d_18")]
_HOMES = {  # networks that ClassyVision does not have, by a project that does
    "torchvision": [*TORCHVISIONS, *(trunk for name, trunk in PRESETS.items() if name.startswith("vmz"))],
    "pytorchvideo": [
        PRESETS[name]
        for name in ("r2plus1d_r50", "pytorchvideo_i3d_r50", "slow_r50", "slow_r101", "c2d_r50", "csn_r101")
    ],
    "pyslowfast": [PRESETS["slow_c2d_r50"]],
    "mmaction2": [PRESETS[name] for name in PRESETS if name.startswith(("mmaction2", "ircsn", "ipcsn"))],
    "kenshohara": [PRESETS[name] for name in PRESETS if name.startswith("kenshohara")],
}
LEAVES = {"kernel": "weight", "scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}

NAMINGS = {
    "classyvision": CLASSYVISION,
    "torchvision": TORCHVISION,
    "pytorchvideo": PYTORCHVIDEO,
    "pyslowfast": PYSLOWFAST,
    "mmaction2": MMACTION2,
    "kenshohara": KENSHOHARA,
    "torchvision_2d": TORCHVISION_2D,
}
# Of trunks that are no `ResNet3D`.
_OTHERS = {SlowFast: naming_slowfast.NAMINGS, X3D: naming_x3d.NAMINGS}


def naming_of(tensors: Mapping[str, np.ndarray]) -> str:
    """Whose names the tensors of a state dict have: one of NAMINGS; "torchvision_2d" is its image networks'.

    The names of 3D-ResNets-PyTorch ("kenshohara") are those of torchvision's image networks; their kernels have time.

    Args:
      tensors: {name: array}.

    Raises:
      InputError: names of something else.
    """
    for naming, project in _projects():
        found = [name for name in tensors if re.match(project.mark, name)]
        if found and any(re.search(project.block, name) for name in tensors):
            flat = naming == "kenshohara" and tensors[found[0]].ndim == 4
            return "torchvision_2d" if flat else naming
    some = ", ".join(sorted(tensors)[:3]) or "none"
    raise InputError(
        "neither a video network of torchvision, ClassyVision, PyTorchVideo, PySlowFast, mmaction2 or "
        f"3D-ResNets-PyTorch nor an image ResNet of torchvision: {some} ..."
    )


def project_of(trunk: Any, naming: str) -> Naming | None:
    """How a project calls the tensors of a trunk's kind; None where it has no such kind.

    Args:
      trunk: of the network.
      naming: one of NAMINGS.
    """
    return _OTHERS.get(type(trunk), NAMINGS).get(naming)


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
    if refusal := refusal_of(model, naming):
        others = "" if type(model.trunk) in _OTHERS else "; ClassyVision has"
        raise InputError(f"{naming} has no names for {refusal}{others}")
    project, names = project_of(model.trunk, naming), {}
    for path, leaf in tree_leaves_with_path(abstract_variables(model)):
        _, *modules, leaf_name = path = tuple(key.key for key in path)
        if len(modules) == 1:
            name = project.linear(model, int(modules[0].removeprefix("heads_")))
        else:
            block = modules[1:] if modules[0] == "trunk" else ("head", *modules[1:])
            name = project.module(model.trunk, *block)
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
    faults = misfits(tensors, {name: shape for name, (_, shape) in names.items()})
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
      naming: whose names the tensors get: one of NAMINGS, but for "torchvision_2d".

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


def misfits(tensors: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """A line for each tensor that is missing, and for each that has no place in a state dict of these `shapes`."""
    faults = [f"missing: {name} {list(shape)}" for name, shape in shapes.items() if name not in tensors]
    return faults + [
        f"superfluous: {name} {list(value.shape)}" for name, value in tensors.items() if name not in shapes
    ]


def refusal_of(model: Classifier, naming: str) -> str:
    """What of a network a naming has no names for, in a few words; empty, if it has names for all of it.

    Args:
      naming: one of NAMINGS.
    """
    last, project = model.trunk.block_names()[-1], project_of(model.trunk, naming)
    if project is None:
        return f"a network of kind {type(model.trunk).__name__}"
    if refusal := project.refusal(model.trunk):
        return refusal
    if project.single and (len(model.heads) != 1 or model.heads[0].block not in ("", last)):
        return f"heads but one, on the last block ({last})"
    return ""


def usual_naming(model: Classifier) -> str:
    """Whose names a network's tensors usually get: those of the project that has the network, or ClassyVision's."""
    for naming, trunks in _HOMES.items():
        if model.trunk in trunks and not refusal_of(model, naming):
            return naming
    others = _OTHERS.get(type(model.trunk), ("classyvision",))
    return next((naming for naming in others if not refusal_of(model, naming)), next(iter(others)))


def heads_of(tensors: Mapping[str, np.ndarray], naming: str) -> tuple[Head, ...]:
    """The heads that a state dict tells of, pooling any grid; they average probabilities, but for torchvision's.

    Args:
      tensors: {name: array}.
      naming: whose names those are: one of NAMINGS.

    Raises:
      InputError: there is none.
    """
    average = "logits" if naming.startswith("torchvision") else "probabilities"
    patterns = dict.fromkeys(project.head for each, project in _projects() if each == naming)
    hidden = [len(value) for name, value in tensors.items() if re.match(naming_x3d.HIDDEN, name)]
    heads = [
        Head(len(value), average=average, hidden=sum(hidden), **found.groupdict())
        for name, value in tensors.items()
        for pattern in patterns
        if (found := re.match(pattern, name))
    ]
    if not heads:
        raise InputError(f"these weights have no head: no linear layer under the name that {naming} gives it")
    return tuple(heads)


def _inflated(value, shape):
    if value.ndim == 4 and len(shape) == 5:
        value = value[:, :, None]
    if value.ndim == 5 and value.shape[2] == 1 < shape[2]:
        value = np.repeat(value, shape[2], 2) / shape[2]
    return value


def _projects() -> Iterator[tuple[str, Naming]]:
    for known in (NAMINGS, *_OTHERS.values()):
        yield from known.items()
