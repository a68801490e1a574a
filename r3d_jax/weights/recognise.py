"""Which network the tensors of a PyTorch file are the weights of."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from r3d_jax.errors import InputError
from r3d_jax.models.classifier import Classifier
from r3d_jax.models.presets import PRESETS
from r3d_jax.models.resnet3d import ResNet3D
from r3d_jax.models.x3d import X3D
from r3d_jax.weights.classyvision import from_classyvision
from r3d_jax.weights.torch_names import heads_of, misfits, project_of, torch_names

# Networks that a project does not have, whereas it has others with weights of the same shapes, which differ from them
# in a pool or in batch norm's epsilon.
_LACKS = {
    "classyvision": ("pytorchvideo_i3d_r50", "mmaction2_i3d_r50"),
    "torchvision": ("csn_r101",),
    "pytorchvideo": ("mmaction2_i3d_r50", "ircsn_50", "ircsn_152"),
    "pyslowfast": ("mmaction2_i3d_r50",),
    "mmaction2": ("i3d_r50", "pytorchvideo_i3d_r50", "csn_r101"),
}
_NAMED = 8  # tensors that a message names


def state_dict_of(content: Any) -> tuple[dict[str, np.ndarray], dict[str, Any] | None]:
    """The tensors in what a PyTorch file held, wherever projects keep them in their checkpoints.

    Args:
      content: as `read_pth` or a safetensors reader gives it.

    Returns:
      {name: tensor}, without the prefix of a network that was wrapped for several devices; and the configuration of the
      model that a ClassyVision checkpoint brings, or None.

    Raises:
      InputError: no tensors in it, or two of one name.
    """
    config = None
    if isinstance(content, Mapping) and "classy_state_dict" in content:
        config = _inside(content, "input_args", "config", "model")
        content = _inside(content, "classy_state_dict", "base_model") or content["classy_state_dict"]
    for key in ("model", "state_dict", "model_state_dict", "model_state"):
        content = _inside(content, key) or content
    # Names of a network that was wrapped for several devices start with "module.".
    tensors = {}
    for full_name, value in _leaves(content):
        name = re.sub(r"^(module\.)+", "", full_name)
        if name in tensors:
            raise InputError(f"two tensors of this file are called {name}; keep one of them (of `module.`, if any)")
        tensors[name] = value
    if not tensors:
        raise InputError("no state dict in this file: it must hold named tensors, or a checkpoint that does")
    return tensors, config


def recognise(
    tensors: Mapping[str, np.ndarray], naming: str, name: str, config: dict[str, Any] | None
) -> tuple[Classifier, str]:
    """The network that tensors are the weights of, and a few words on how it was found.

    Args:
      tensors: by the names of their project.
      naming: whose names those are, as `torch_names.naming_of` says.
      name: a preset, or empty: what the configuration says, or the one preset that fits.
      config: ClassyVision's, of the model, if there is one.

    Raises:
      InputError: no such preset; without a name, none that fits, or several; no head among the tensors; options of the
        configuration that do not exist.
    """
    if config and not name:
        return from_classyvision(config), "network as its configuration says"
    heads = heads_of(tensors, naming)
    if name:
        if name not in PRESETS:
            raise InputError(f"no network {name!r}; there are {', '.join(PRESETS)}, or a ClassyVision configuration")
        return Classifier(PRESETS[name], heads), f"network {name}"
    trunks = _alike(tensors, naming)
    faults = {name: _faults(tensors, Classifier(trunk, heads), naming) for name, trunk in trunks.items()}
    fitting = [name for name, found in faults.items() if not found]
    if len({trunks[name] for name in fitting}) != 1:  # X3D's XS, S and M are one network
        which = ", ".join(fitting) or f"none of ours{_nearest(faults)}"
        raise InputError(f"these weights fit {which}; name the network (`model`: a preset or a ClassyVision .json)")
    return Classifier(trunks[fitting[0]], heads), f"network {' or '.join(fitting)}, which alone fits them"


def _inside(content, *keys):
    """The mapping under `keys`, or None."""
    for key in keys:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content if isinstance(content, Mapping) else None


def _leaves(content) -> Iterator[tuple[str, np.ndarray]]:
    """The named arrays in nested mappings, each mapping once: a file may hold one in itself, or in many places."""
    waiting, seen = [("", content)], set()
    while waiting:
        prefix, tree = waiting.pop()
        if not isinstance(tree, Mapping) or id(tree) in seen or len(prefix) > 1000:
            continue
        seen.add(id(tree))
        named = [(f"{prefix}{key}", value) for key, value in tree.items() if isinstance(key, str)]
        yield from ((name, value) for name, value in named if isinstance(value, np.ndarray))
        waiting += [(f"{name}.", value) for name, value in reversed(named) if isinstance(value, Mapping)]


def _alike(tensors, naming):
    """Trunks of the same kind, a `ResNet3D` with the same stem and first block, told in no time, {name: trunk}.

    Of presets with as many blocks in each stage; where there are none, of others, made as deep as the tensors are.
    """
    same, deeper = {}, {}
    for name, trunk in PRESETS.items():
        project = project_of(trunk, naming)
        if project is None or name in _LACKS.get(naming, ()) or not any(re.match(project.mark, key) for key in tensors):
            continue
        if isinstance(trunk, X3D):
            trunk = trunk.clone(shortcut_norm=naming == "pyslowfast")
        blocks = _blocks(tensors, project)
        if project.refusal(trunk) or len(blocks) != len(trunk.blocks):
            continue
        if isinstance(trunk, ResNet3D) and not _begins(tensors, trunk, naming):
            continue
        if trunk.blocks == blocks:
            same[name] = trunk
        elif (other := trunk.clone(blocks=blocks)) not in deeper.values():
            deeper[f"{name} with `blocks` {blocks}"] = other
    return same or deeper


def _blocks(tensors, project):
    """How many blocks each stage has."""
    found = {match[0] for name in tensors if (match := re.search(project.block, name))}
    stages = Counter(int(re.findall(r"\d+", block)[0]) for block in found)
    return tuple(count for _, count in sorted(stages.items()))


def _begins(tensors, trunk, naming):
    """Whether stem and first block have convolutions of the same shapes."""
    convs = {("stem-path0",): (trunk.input_planes, trunk.stem_convs())}
    convs["pathway0-stage1-block0", "residual"] = trunk.stem_planes, trunk.block_convs(1, 0, trunk.stem_planes)
    shapes = {}
    for path, (channels, row) in convs.items():
        for number, conv in enumerate(row, start=1):
            key = f"{project_of(trunk, naming).module(trunk, *path, f'conv{number}')}.weight"
            shapes[key] = (conv.features, channels // conv.groups, *conv.kernel)
            channels = conv.features
    return all(key in tensors and tensors[key].shape == shape for key, shape in _flat(shapes, naming).items())


def _faults(tensors, model, naming):
    """What keeps tensors from being a network's, a line each."""
    tensors = {name: value for name, value in tensors.items() if not name.endswith("num_batches_tracked")}
    shapes = {name: shape for name, (_, shape) in torch_names(model, naming).items()}
    shapes = _flat(shapes, naming)
    return misfits(tensors, shapes) + [
        f"misshaped: {name} {list(tensors[name].shape)}"
        for name, shape in shapes.items()
        if name in tensors and tensors[name].shape != shape
    ]


def _flat(shapes, naming):
    """Those of an image network, whose kernels are to be inflated; others as they are."""
    if naming != "torchvision_2d":
        return shapes
    return {name: shape[:2] + shape[3:] if len(shape) == 5 else shape for name, shape in shapes.items()}


def _nearest(faults):
    if not faults:
        return ""
    name, lines = min(faults.items(), key=lambda item: len(item[1]))
    more = f", and {len(lines) - _NAMED} more" if len(lines) > _NAMED else ""
    return f" ({name} is the nearest, but for {', '.join(lines[:_NAMED])}{more})"
