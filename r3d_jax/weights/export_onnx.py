"""A trained network as an ONNX file, which other runtimes run: from pixels to logits and probabilities."""

import json
import time
from functools import partial
from pathlib import Path

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from r3d_jax.errors import InputError
from r3d_jax.files import mebibytes, refuse_existing, whole
from r3d_jax.models.head import ACTIVATIONS
from r3d_jax.models.predict import predict_fn
from r3d_jax.weights.trained import TrainedNetwork, to_facts

APART = 1e-4  # of the largest logit: more is no rounding
CLIPS = (
    "clips: uint8 RGB [video, view, time, height, width, channel], any number of videos and views, time as in "
    "clip_shape, height and width at least least_size, best the whole frame at short edge test_size; logits and "
    "probabilities [video, class], averaged over the views"
)


def export_onnx(network: TrainedNetwork, out: Path) -> list[str]:
    """Writes a network as an ONNX file, of the operators of 2022 (opset 18), and tries it with ONNX Runtime.

    For example, `export_onnx(r3d_jax.load("runs/mine"), Path("mine.onnx"))`. Its input is `clips`: uint8 RGB [video,
    view, time, height, width, channel], any number of videos and views of any size from that of the training clips on;
    pixels are normalised inside. Its outputs are `logits` and `probabilities` [video, class], averaged over the views;
    those of further heads are `logits_1`, `probabilities_1` and so on. What the classes are and what a clip is stands
    in the model's metadata, each value as JSON.

    Args:
      out: called *.onnx; folders above it are made.

    Returns:
      Lines that tell of the file, and how far its logits are from the network's own.

    Raises:
      InputError: a name that does not end in .onnx; a file that is there already; a package is missing; a
        network with something that has no form in ONNX; logits that are further from the network's than rounding.
      OSError: the folder cannot be written to.
    """
    if out.suffix != ".onnx":
        raise InputError(f"{out} must be called *.onnx, which is what it will be")
    refuse_existing(out)
    content = _content(network)
    tried = _tried(content, network)
    with whole(out) as unfinished:
        unfinished.write_bytes(content)
    return [
        f"{out}: {mebibytes(len(content))}, from `clips` to {', '.join(map('`{}`'.format, names_of(network)))}",
        tried,
    ]


def _content(network):
    try:
        from r3d_jax.weights.onnx_graph import onnx_file
    except ImportError as error:
        raise InputError(
            "an *.onnx file is written with the package onnx and tried with onnxruntime, which are not installed; "
            "install them: pip install onnx onnxruntime (the extra r3d_jax[onnx])"
        ) from error
    clip, channels = network.clip, network.model.trunk.input_planes
    least = min(clip.crop, clip.test_size)
    shape = jax.export.symbolic_shape(
        f"video, view, {clip.frames}, height, width, {channels}",
        constraints=("video >= 1", "view >= 1", f"height >= {least}", f"width >= {least}"),
    )
    facts = {"call": CLIPS, "least_size": least, "mean": network.model.mean, "std": network.model.std}
    facts |= {name: fact for name, fact in to_facts(network).items() if name != "network"}
    return onnx_file(
        partial(_outputs, model=network.model),
        flatten_dict(jax.device_get(network.variables), sep="/"),
        {"clips": jax.ShapeDtypeStruct(shape, np.uint8)},
        names_of(network),
        {name: json.dumps(fact) for name, fact in facts.items()},
    )


def names_of(network: TrainedNetwork) -> list[str]:
    """The names of the file's outputs: logits and probabilities of each head, those of further heads with a number."""
    ends = ["", *(f"_{i}" for i in range(1, len(network.model.heads)))]
    return [f"{kind}{end}" for end in ends for kind in ("logits", "probabilities")]


def _outputs(weights, clips, *, model):
    """Logits and probabilities of each head, in turn."""
    found = predict_fn(unflatten_dict(weights, sep="/"), clips, model=model)
    found = found if isinstance(found, tuple) else (found,)
    pairs = ((logits, ACTIVATIONS[head.activation](logits)) for logits, head in zip(found, model.heads))
    return tuple(each for pair in pairs for each in pair)


def _tried(content, network):
    """How far the file's logits are from the network's own, with two views of noise."""
    try:
        import onnxruntime
    except ImportError:
        return "not tried: the package onnxruntime is not installed"
    start = time.perf_counter()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    seconds = time.perf_counter() - start
    shape = (1, 2, *network.clip.shape[:3], network.model.trunk.input_planes)
    clips = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    names = [name for name in names_of(network) if name.startswith("logits")]
    theirs = session.run(names, {"clips": clips})
    ours = jax.tree.leaves(jax.jit(partial(predict_fn, model=network.model))(network.variables, clips))
    apart = max(float(np.abs(one - other).max() / np.abs(other).max()) for one, other in zip(theirs, ours))
    if not apart <= APART:
        raise InputError(
            f"ONNX Runtime's logits of this network are {apart:.0e} of the largest away from its own, which is no "
            "rounding; nothing is written: export it as *.npz, and tell us of the network"
        )
    return (
        f"ONNX Runtime {onnxruntime.__version__} loads it in {seconds:.2f} s; its logits of random clips are the "
        f"network's, within {apart:.0e} of the largest"
    )
