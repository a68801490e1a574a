"""python -m benchmarks.siblings: X3D-S, ir-CSN-50, SlowFast-R50 and two ResNeXt3D-50 on a CPU, against PyTorch's.

X3D, CSN and SlowFast are PyTorchVideo's there, with clips of the published size; ResNeXt3D is ClassyVision's. Both get
two threads; PyTorch runs channels-last, which is its faster form here, and in eager mode as it is published. Runs are
interleaved; medians. Needs `pip install torch pytorchvideo classy_vision torchvision`; of the last, PyTorchVideo alone
imports what is not used here, so that it may be missing. Prints a Markdown table: times, and the ratio of speeds: above
one, ours is the faster.
"""

import argparse
import importlib
import os
import sys
import types
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.timing import describe_machine, interleaved
from r3d_jax.compiling import compiler_options
from r3d_jax.models.classifier import abstract_variables, build
from r3d_jax.training.state import first_state
from r3d_jax.training.steps import train_step

# (frames, edge) of a clip, the clips of a training step, the preset with its options, and whose it is there.
NETWORKS = {
    "x3d_s": ((13, 160), 4, {}, ("x3d.create_x3d", {"input_clip_length": 13, "input_crop_size": 160})),
    "ircsn_50": ((32, 224), 1, {}, ("csn.create_csn", {"model_depth": 50, "head_pool_kernel_size": (4, 7, 7)})),
    "slowfast_r50": (
        (32, 224),
        1,
        {},
        ("slowfast.create_slowfast", {"slowfast_fusion_conv_kernel_size": (7, 1, 1)}),
    ),
    **{
        f"resnext3d_50_32x{width}d": (
            (8, 112),
            2,
            {"name": "resnext3d_101_32x8d", "blocks": (3, 4, 6, 3), "width_per_group": width},
            ("resnext3d", {"width_per_group": width}),
        )
        for width in (4, 8)
    },
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--runs", type=int, default=5, help="of each, after one that warms up")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    print(f"{describe_machine(['torch'])}; one clip forward, float32", flush=True)
    print("| network | part | ours, s | PyTorch, s | ratio |\n|---|---|---|---|---|", flush=True)
    for name in options.networks:
        ours, theirs = Ours(name), Theirs(name)
        for part in ("forward", "train"):
            runs = {"ours": getattr(ours, part), "theirs": getattr(theirs, part)}
            a, b = interleaved(runs, options.runs).values()
            print(f"| {name} | {part} | {a:.3f} | {b:.3f} | {b / a:.2f} |", flush=True)


def clips_of(name, count):
    (frames, edge), *_ = NETWORKS[name]
    return np.random.default_rng(0).standard_normal((count, frames, edge, edge, 3), np.float32)


class Ours:
    """The network, compiled as the library does it."""

    def __init__(self, name):
        *_, options, _ = NETWORKS[name]
        model = build(**{"name": name, "num_classes": 400} | options)
        rng = np.random.default_rng(0)
        shapes = abstract_variables(model)
        variables = jax.tree.map(lambda x: jnp.float32(np.abs(rng.normal(0.5, 0.1, x.shape))), shapes)
        jit = partial(jax.jit, compiler_options=compiler_options("cpu"))
        forward = jit(partial(model.apply))
        clip, batch = jnp.asarray(clips_of(name, 1)), clips_of(name, NETWORKS[name][1])
        self.forward = lambda: jax.block_until_ready(forward(variables, clip))
        tx = optax.sgd(0.01, momentum=0.9)
        step = jit(partial(train_step, model=model, tx=tx))
        batch = {"clip": np.uint8(128 + 20 * batch), "label": np.zeros(len(batch), np.int32)}
        state = first_state(variables, tx)
        self.train = lambda: jax.block_until_ready(step(state, batch))


class Theirs:
    """PyTorchVideo's or ClassyVision's network in eager mode, channels last."""

    def __init__(self, name):
        import torch

        torch.set_num_threads(2)
        where, arguments = NETWORKS[name][-1]
        network = _classy_resnext3d(**arguments) if where == "resnext3d" else _pytorchvideo(where, arguments)
        network.to(memory_format=torch.channels_last_3d)
        self.torch, self.network, self.name = torch, network, name
        self.optimizer = torch.optim.SGD(network.parameters(), 0.01, momentum=0.9)
        self.clip, self.batch = (self._clips(count) for count in (1, NETWORKS[name][1]))

    def _clips(self, count):
        clips = self.torch.from_numpy(clips_of(self.name, count)).permute(0, 4, 1, 2, 3)
        if self.name != "slowfast_r50":
            return clips.contiguous(memory_format=self.torch.channels_last_3d)
        slow = clips[:, :, np.linspace(0, clips.shape[2] - 1, clips.shape[2] // 4).astype(int)]
        return [each.contiguous(memory_format=self.torch.channels_last_3d) for each in (slow, clips)]

    def _input(self, clips):
        return list(clips) if isinstance(clips, list) else clips  # PyTorchVideo writes into the list

    def forward(self):
        self.network.eval()
        with self.torch.inference_mode():
            self.network(self._input(self.clip))

    def train(self):
        self.network.train()
        labels = self.torch.zeros(NETWORKS[self.name][1], dtype=self.torch.long)
        loss = self.torch.nn.functional.cross_entropy(self.network(self._input(self.batch)), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


def _pytorchvideo(where, arguments):
    _stand_in_for_torchvision()
    module, function = where.split(".")
    module = importlib.import_module(f"pytorchvideo.models.{module}")
    return getattr(module, function)(**arguments, model_num_class=400)


def _classy_resnext3d(width_per_group):
    from classy_vision.models import build_model

    head = {"name": "fully_convolutional_linear", "unique_id": "default", "num_classes": 400, "in_plane": 2048}
    config = {"name": "resnext3d", "input_planes": 3, "clip_crop_size": 112, "frames_per_clip": 8}
    config |= {"num_blocks": [3, 4, 6, 3], "num_groups": 32, "width_per_group": width_per_group}
    config |= {"residual_transformation_type": "postactivated_bottleneck_transformation"}
    head |= {"pool_size": [1, 7, 7], "activation_func": "softmax", "fork_block": "pathway0-stage4-block2"}
    return build_model(config | {"skip_transformation_type": "postactivated_shortcut", "heads": [head]})


def _stand_in_for_torchvision():
    """PyTorchVideo imports `torchvision.ops.RoIAlign` for its detection heads, which nothing here has."""
    try:
        import torchvision  # noqa: F401
    except Exception:  # missing, or of another build of torch
        package, ops = types.ModuleType("torchvision"), types.ModuleType("torchvision.ops")
        ops.RoIAlign, package.ops = type("RoIAlign", (), {}), ops
        sys.modules |= {"torchvision": package, "torchvision.ops": ops}


if __name__ == "__main__":
    main()
