"""python -m benchmarks.training SOURCE: the same network, recipe and clips, trained here and by ClassyVision.

SOURCE is a folder of videos as `configs/video_folder.py` takes it. Needs `pip install classy_vision torchvision torch`.
ClassyVision builds its own R3D-18 (thin here), with its own initial weights, and PyTorch trains it; both get the same
clips in the same batches, the same learning rates, and the same ten-clip test. What is compared is everything between a
clip and a video's class: initial weights, layers, loss, optimiser, running statistics, averaging. Prints, for each
seed, training loss over the epochs and the final clip- and video-level accuracy, then means with 95 % intervals
(Wilson) of as many test videos, and draws the curves with --out.
"""

import argparse
import json
import math
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np
import optax
import torch
from classy_vision.heads import build_head
from classy_vision.models import build_model
from torch import nn

import r3d_jax
from r3d_jax.models.classifier import IMAGENET_MEAN, IMAGENET_STD

TOP = (1,)


def ours(data, flags, seed):
    """(losses of the steps, {"clip": accuracy, "video": accuracy})."""
    train, test, rate, classes = data
    model = r3d_jax.build("r3d_18", classes, planes=flags.planes, stem_planes=flags.planes, pool=grid(flags))
    model = model.clone(heads=tuple(head.clone(average="probabilities") for head in model.heads))
    tx = r3d_jax.sgd(rate, momentum=0.9, weight_decay=flags.weight_decay)
    state = r3d_jax.init_state(model, tx, seed=seed, clip=clip_of(flags))
    step, losses = jax.jit(partial(r3d_jax.train_step, model=model, tx=tx)), []
    for batch in r3d_jax.data.read_ahead(train, stop=flags.epochs * len(train)):
        state, metrics = step(state, batch)
        losses.append(metrics["loss"])
    meters = r3d_jax.evaluate(model, state.variables, test, topk=TOP)
    size = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    return np.array(losses), {"clip": meters["clip_top1"], "video": meters["video_top1"]}, size


def theirs(data, flags, seed):
    """The same by ClassyVision's model and PyTorch's optimiser."""
    train, test, rate, classes = data
    torch.manual_seed(seed)
    model = classy_r3d(flags, classes)
    groups = []  # without weight decay on batch norm, as `r3d_jax.sgd` has it
    for norms, decay in ((False, flags.weight_decay), (True, 0.0)):
        modules = (module for module in model.modules() if isinstance(module, nn.BatchNorm3d) is norms)
        groups.append({"params": [p for each in modules for p in each.parameters(False)], "weight_decay": decay})
    optimizer, losses = torch.optim.SGD(groups, lr=0.0, momentum=0.9), []
    model.train()
    for number, batch in enumerate(r3d_jax.data.read_ahead(train, stop=flags.epochs * len(train))):
        for group in optimizer.param_groups:
            group["lr"] = float(rate(number))
        optimizer.zero_grad()
        logits = model(normalised(batch["clip"]))
        loss = nn.functional.cross_entropy(logits, torch.from_numpy(np.array(batch["label"], np.int64)))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    right = {"clip": [], "video": []}
    for batch in r3d_jax.data.read_ahead(test):
        for clips, label, valid in zip(batch["clips"], batch["label"], batch["valid"]):
            if valid:
                with torch.inference_mode():
                    views = model(normalised(clips)).numpy()  # probabilities
                right["clip"].append((views.argmax(1) == label).mean())
                right["video"].append(views.mean(0).argmax() == label)
    size = sum(p.numel() for p in model.parameters())
    return np.array(losses), {name: float(np.mean(each)) for name, each in right.items()}, size


def classy_r3d(flags, classes):
    model = build_model(
        {
            "name": "resnext3d",
            "frames_per_clip": flags.frames,
            "input_planes": 3,
            "clip_crop_size": flags.size,
            "skip_transformation_type": "postactivated_shortcut",
            "residual_transformation_type": "basic_transformation",
            "num_blocks": [2, 2, 2, 2],
            "input_key": "video",
            "stem_planes": flags.planes,
            "stage_planes": flags.planes,
            "num_classes": classes,
        }
    )
    head = {"name": "fully_convolutional_linear", "unique_id": "head", "pool_size": list(grid(flags))}
    head = build_head(head | {"num_classes": classes, "in_plane": 8 * flags.planes})
    model.set_heads({"pathway0-stage4-block1": [head]})
    return model


def normalised(clips):
    mean, std = (np.array(each, np.float32) for each in (IMAGENET_MEAN, IMAGENET_STD))
    clips = (np.asarray(clips, np.float32) / 255 - mean) / std
    return {"video": torch.from_numpy(np.ascontiguousarray(clips.transpose(0, 4, 1, 2, 3)))}


def grid(flags):
    """What is left of a training clip before the head."""
    return -(-flags.frames // 8), -(-flags.size // 16), -(-flags.size // 16)


def clip_of(flags):
    sizes = (flags.size, flags.size * 5 // 4)
    return r3d_jax.ClipSpec(
        frames=flags.frames, stride=flags.stride, train_sizes=sizes, crop=flags.size, test_size=flags.size, views=10
    )


def interval(share, count, z=1.96):
    """Wilson's, of a share of so many: what a test of other videos of the same kind would find, 19 times of 20."""
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return middle - half, middle + half


def summary(results, videos):
    """Lines of a Markdown table; whether each mean lies in the other's interval."""
    lines, agree = ["| | clip level | video level | 95 % interval of it |", "|---|---|---|---|"], True
    means = {name: np.mean([each[1]["video"] for each in runs]) for name, runs in results.items()}
    for name, runs in results.items():
        cells = []
        for level in ("clip", "video"):
            each = [100 * run[1][level] for run in runs]
            cells.append(f"{np.mean(each):.1f} % ({', '.join(f'{value:.1f}' for value in each)})")
        low, high = interval(means[name], videos)
        agree &= all(low <= other <= high for other in means.values())
        lines.append(f"| {name} | {' | '.join(cells)} | {100 * low:.0f} to {100 * high:.0f} % |")
    return lines, agree


def draw(results, steps_per_epoch, title, out):
    _, axes = plt.subplots(figsize=(7, 4))
    for (name, runs), colour in zip(results.items(), ("tab:blue", "tab:orange")):
        for number, (losses, *_) in enumerate(runs):
            epochs = losses.reshape(-1, steps_per_epoch).mean(1)
            axes.plot(1 + np.arange(len(epochs)), epochs, color=colour, alpha=0.7, label=None if number else name)
    axes.set(xlabel="epoch", ylabel="training loss", title=title, ylim=(0, None))
    axes.legend()
    plt.savefig(out, dpi=100, bbox_inches="tight")


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("source", type=Path)
    flags.add_argument("--group", default="", help="regular expression, as data.group")
    flags.add_argument("--data-dir", default="data")
    flags.add_argument("--planes", type=int, default=16)
    flags.add_argument("--frames", type=int, default=8)
    flags.add_argument("--stride", type=int, default=4)
    flags.add_argument("--size", type=int, default=64)
    flags.add_argument("--batch-size", type=int, default=8)
    flags.add_argument("--epochs", type=int, default=30)
    flags.add_argument("--rate", type=float, default=0.02)
    flags.add_argument("--weight-decay", type=float, default=1e-4)
    flags.add_argument("--seeds", type=int, default=3)
    flags.add_argument("--out", type=Path, help="picture of the curves")
    flags = flags.parse_args()
    videos = r3d_jax.data.VideoFolder(source=str(flags.source), data_dir=flags.data_dir, group=flags.group).load()
    test = r3d_jax.data.eval_batches(videos, "test", clip_of(flags))
    results = {f"r3d_jax, jax {version('jax')}": [], f"ClassyVision, torch {version('torch')}": []}
    for seed in range(flags.seeds):
        train = r3d_jax.data.train_batches(videos, "train", clip_of(flags), batch_size=flags.batch_size, seed=seed)
        total = flags.epochs * len(train)
        rate = optax.warmup_cosine_decay_schedule(flags.rate / 10, flags.rate, total // 10, total, flags.rate / 100)
        for (name, runs), run in zip(results.items(), (ours, theirs)):
            start = time.time()
            runs.append(run((train, test, rate, len(videos.class_names)), flags, seed))
            losses, accuracies, size = runs[-1]
            curve = losses.reshape(-1, len(train)).mean(1)[:: max(1, flags.epochs // 10)]
            took = f"{time.time() - start:.0f} s; loss {' '.join(f'{value:.2f}' for value in curve)}"
            print(f"{name}, seed {seed}, {size:,} parameters: {json.dumps(accuracies)}, {took}", flush=True)
    lines, agree = summary(results, test.num_videos)
    print(f"\n{flags.source.name}: {train.num_videos} videos to train, {test.num_videos} to test\n")
    print("\n".join(lines))
    print(f"\nEach mean is {'' if agree else 'not '}within the other's interval.")
    if flags.out:
        draw(results, len(train), f"{flags.source.name}: {flags.seeds} seeds each", flags.out)


if __name__ == "__main__":
    main()
