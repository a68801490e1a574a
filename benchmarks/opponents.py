"""The libraries that `benchmarks.network` runs beside ours, each with our weights, from uint8 clips to logits.

Each is installed for the benchmark alone (pip install torch openvino onnx onnxruntime) and left out where it is absent.
"""

import importlib.util
import os
import tempfile
from pathlib import Path

import jax
import numpy as np

from r3d_jax.video.clips import ClipSpec
from r3d_jax.weights.export_onnx import export_onnx
from r3d_jax.weights.torch_names import to_torch
from r3d_jax.weights.trained import TrainedNetwork

# What each needs, and the types that it runs in.
PYTORCH, COMPILED, OPENVINO, ONNX = "PyTorch", "torch.compile", "OpenVINO", "ONNX Runtime"
NEEDS = {
    PYTORCH: ("torch",),
    COMPILED: ("torch",),
    OPENVINO: ("torch", "openvino"),
    ONNX: ("onnx", "onnxruntime"),
}
TRAINING = (PYTORCH, COMPILED)


def opponents(dtype, training):
    """Names of those that are installed and can do what is asked of them; prints those that are not installed."""
    on_gpu = jax.default_backend() != "cpu"
    able = TRAINING if training else NEEDS if dtype == "float32" else (PYTORCH, COMPILED, OPENVINO)
    found = []
    for name in able if not on_gpu else (COMPILED,):
        missing = [package for package in NEEDS[name] if not importlib.util.find_spec(package)]
        if missing:
            print(f"Left out: {name}, which needs {', '.join(missing)}", flush=True)
        else:
            found.append(name)
    return found


def new_peer(model, dtype="float32", *, compiled=None, variables=None):
    """PyTorch's network, with our weights where they have torchvision's names; compiled by default on a GPU."""
    from benchmarks.peer import Peer

    device = "cpu" if jax.default_backend() == "cpu" else "cuda"
    compiled = device == "cuda" if compiled is None else compiled
    tensors = to_torch(jax.device_get(variables), model, "torchvision") if named(model) and variables else None
    return Peer(model, device, dtype, compiled=compiled, tensors=tensors)


def named(model):
    """Whether the network's weights have torchvision's names, so that all have the same."""
    return model.trunk.residual == "basic"


def training_step(name, model, dtype, clips, labels):
    """A function that trains on the clips [clip, time, height, width, channel]."""
    peer = new_peer(model, dtype, compiled=name == COMPILED)
    data, label = peer.place(clips), peer.place(labels.astype(np.int64))

    def run():
        peer.train(data, label)
        peer.wait()

    return run


def forward(name, model, variables, dtype, views, pool):
    """A function that gives logits of uint8 `views` [clip, time, height, width, channel] as an array.

    Args:
      pool: of the head, in cells; None: all of them.
    """
    if name == ONNX:
        return _onnx_runtime(model, variables, views)
    peer = new_peer(model, dtype, compiled=name == COMPILED, variables=variables)
    if name == OPENVINO:
        return _openvino(peer, dtype, views, pool)
    data = peer.place(views)

    def run():
        logits = peer.forward(data, pool)
        peer.wait()
        return logits.cpu().numpy()

    return run


def _openvino(peer, dtype, views, pool):
    import openvino

    converted = openvino.convert_model(peer.predictor(pool), example_input=peer.place(views))
    converted.reshape(views.shape)
    precision = {"float32": "f32", "bfloat16": "bf16"}[dtype]
    options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": os.cpu_count()}
    network = openvino.Core().compile_model(converted, "CPU", options | {"INFERENCE_PRECISION_HINT": precision})
    request = network.create_infer_request()
    return lambda: request.infer({0: views}, share_inputs=True)[0]


def _onnx_runtime(model, variables, views):
    import onnxruntime

    clip = ClipSpec(frames=views.shape[1])
    classes = tuple(f"class {i}" for i in range(model.heads[0].num_classes))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        export_onnx(TrainedNetwork(model, jax.device_get(variables), classes, clip), path)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = os.cpu_count()
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(["logits"], {"clips": views[:, None]})[0]
