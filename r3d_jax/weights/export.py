"""A trained network as one file that JAX alone can run: an `.npz` of its program, its weights and what they mean.

    with numpy.load("network.npz") as file:
        program = jax.export.deserialize(bytearray(file["program"]))
        weights = {name: file[name] for name in file.files if "/" in name}
    logits = program.call(weights, clips)

The program is StableHLO, for CPU, CUDA and TPU; JAX keeps such programs running for at least six months of its own
versions. Nothing in the file is run when it is read but that program.
"""

import json
import time
import zipfile
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from r3d_jax.errors import InputError
from r3d_jax.files import refuse_existing, whole
from r3d_jax.models.classifier import Classifier, abstract_variables
from r3d_jax.models.predict import predict_fn
from r3d_jax.weights import converted
from r3d_jax.weights.integrity import check_numbers
from r3d_jax.weights.torch_names import torch_names, usual_naming
from r3d_jax.weights.trained import TrainedNetwork, from_facts, to_facts

PLATFORMS = ("cpu", "cuda", "tpu")
CLIPS = (
    "weights: {name: array} of every name with a slash in this file; clips: uint8 RGB [video, view, time, height, "
    "width, channel], any number of videos and views, time as in clip_shape, height and width at least `least_size`, "
    "best the whole frame at short edge test_size; the result: logits [video, class], averaged over the views"
)


def export(network: TrainedNetwork, out: Path, dtype: str = "float32") -> list[str]:
    """Writes a network as a program that JAX alone can run and, beside it, its weights for PyTorch (*.safetensors).

    For example, `export(r3d_jax.load("runs/mine"), Path("mine.npz"))`. The program takes any number of videos and views
    of any size from `least_size` on; the module's text shows how it is called.

    Args:
      out: of the program, called *.npz; folders above it are made.
      dtype: of the program's activations, as in `predict_fn`; weights and logits are float32.

    Returns:
      Lines that tell of both files, and how far the program's logits are from the network's own.

    Raises:
      InputError: a name that does not end in .npz; a file that is there already; a network that no project has names
        for.
      OSError: the folder cannot be written to.
    """
    if out.suffix != ".npz":
        raise InputError(f"{out} must be called *.npz, which is what it will be")
    weights_file = out.with_suffix(".safetensors")
    refuse_existing(out)
    refuse_existing(weights_file)
    naming = usual_naming(network.model)
    torch_names(network.model, naming)  # before anything is written, whether there are any
    clip, channels = network.clip, network.model.trunk.input_planes
    least = min(clip.crop, clip.test_size)
    clips = jax.export.symbolic_shape(
        f"video, view, {clip.frames}, height, width, {channels}",
        constraints=("video >= 1", "view >= 1", f"height >= {least}", f"width >= {least}"),
    )
    weights = flatten_dict(jax.device_get(network.variables), sep="/")
    shapes = {name: jax.ShapeDtypeStruct(value.shape, value.dtype) for name, value in weights.items()}
    call = jax.jit(partial(_call, model=network.model, dtype=dtype))
    program = jax.export.export(call, platforms=PLATFORMS)(shapes, jax.ShapeDtypeStruct(clips, np.uint8))
    facts = {
        "call": CLIPS,
        "least_size": least,
        "mean": network.model.mean,
        "std": network.model.std,
        **to_facts(network),
    }
    program_bytes = program.serialize()
    _write(out, program_bytes, json.dumps(facts), weights)
    converted.write(weights_file, network, naming)
    return [*_tried(out, network, len(program_bytes)), f"{weights_file}: {_size(weights_file)}, {naming}'s names"]


def read(path: Path) -> TrainedNetwork:
    """The network in a file of `export`, of this version or an earlier one; its program is not run, but left out.

    Raises:
      InputError: not such a file, a damaged one, or one whose weights are not its network's, or not finite.
    """
    try:
        # Arrays and no objects: nothing in the file is run.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            facts = json.loads(str(file["facts"]))
            if doubled := [name for name, count in Counter(file.files).items() if count > 1]:
                raise InputError(f"{path} holds {doubled[0]} twice; export it again")
            weights = {name: file[name] for name in file.files if "/" in name}  # zip compares their CRC-32
    except InputError:
        raise
    # NotImplementedError: a damaged header names a compression or an encryption that zipfile has not.
    except (OSError, ValueError, KeyError, TypeError, EOFError, NotImplementedError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is no exported network that can be read ({error}); export it again") from error
    check_numbers(weights, path)
    try:
        return from_facts(path, facts, partial(_checked, weights, path))
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} was not written by this version: it lacks {error}; export it again") from error


def _call(weights, clips, *, model, dtype):
    return predict_fn(unflatten_dict(weights, sep="/"), clips, model=model, dtype=dtype)


def _checked(weights: dict[str, np.ndarray], path: Path, model: Classifier) -> dict[str, Any]:
    like = flatten_dict(abstract_variables(model), sep="/")
    there, here = ({name: value.shape for name, value in tree.items()} for tree in (weights, like))
    if differing := sorted(name for name in there.keys() | here.keys() if there.get(name) != here.get(name)):
        raise InputError(f"{path} holds other weights than its network has ({differing[0]}, ...); export it again")
    return unflatten_dict(weights, sep="/")


def _write(path, program, facts, weights):
    with whole(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, facts=np.array(facts), program=np.frombuffer(program, np.uint8), **weights)


def _tried(path, network, program_size):
    """What reading the file back takes, and how far its program is from the network's own result."""
    start = time.perf_counter()
    with np.load(path, allow_pickle=False) as file:
        program = jax.export.deserialize(bytearray(file["program"]))
        weights = {name: file[name] for name in file.files if "/" in name}
    seconds = time.perf_counter() - start
    # Of two views: an average of probabilities over a single one leaves our logits, but not the program's, as they are.
    shape = (1, 2, *network.clip.shape[:3], network.model.trunk.input_planes)
    clips = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    ours = jax.jit(partial(predict_fn, model=network.model))(network.variables, clips)
    pairs = zip(jax.tree.leaves(program.call(weights, clips)), jax.tree.leaves(ours))
    apart = max(float(np.abs(theirs - logits).max() / np.abs(logits).max()) for theirs, logits in pairs)
    return [
        f"{path}: {_size(path)}, of which the program is {program_size / 2**10:,.0f} KiB, for {', '.join(PLATFORMS)}",
        f"loads in {seconds:.2f} s; logits of random clips are the network's, within {apart:.0e} of the largest",
    ]


def _size(path):
    return f"{path.stat().st_size / 2**20:,.1f} MiB"
