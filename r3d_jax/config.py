"""Every setting of a run with its default, range and meaning."""

import dataclasses
from dataclasses import dataclass, field

from r3d_jax.errors import InputError
from r3d_jax.settings import setting
from r3d_jax.video.clips import ClipSpec

DATA_SETS = ("ucf101", "hmdb51", "kinetics", "video_folder", "demo")
# The number of learning rates that each takes; 0: any.
SCHEDULES = {"multistep": 0, "step": 0, "linear": 2, "cosine": 2, "polynomial": 1}


@dataclass(slots=True)
class DataConfig:
    """Which videos, where they are, and how they are prepared and read."""

    name: str = setting("ucf101", "the data set", choices=DATA_SETS)
    source: str = setting("", "folder of the videos or their archives; empty: download (the demo draws its own)")
    splits: str = setting("", "folder of split files or annotations, relative to `source` or not; empty: in `source`")
    test_share: float = setting(0.2, "video_folder: about what part of each class is held out where the source has no "
                                     "split of its own")  # fmt: skip
    group: str = setting("", 'video_folder: regular expression; videos in whose "class/file" it finds one text stay '
                             "on one side of the split; empty: those do whose names look like cuts of one "
                             "recording")  # fmt: skip
    multi_label: bool = setting(False, "video_folder: a table may give a video several labels, between ; or | in one "
                                       "cell or in rows of their own, or none")  # fmt: skip
    split_seed: int = setting(0, "video_folder: of the draw of what is held out", low=0)
    data_dir: str = setting("data", "folder that prepared data sets are kept in")
    fold: int = setting(1, "which of the data set's official splits")
    max_broken: float = setting(0.01, "part of the videos that may fail to decode, in preparing and in training; above "
                                      "0 at least three videos", low=0)  # fmt: skip
    reencode: int = setting(0, "short edge that videos are re-encoded at when they are prepared; 0: kept as is", low=0)
    key_every: int = setting(12, "frames from one key frame to the next in a re-encoded video", low=1)
    renew: bool = setting(False, "prepare again what has changed since its preparation; without it, it is refused")
    workers: int = setting(2, "decoding threads; 0: the main one; batches are the same for any number", low=0)
    processes: int = setting(0, "that decode for training in place of the threads, which hold one lock", low=0)


@dataclass(slots=True)
class AugmentConfig:
    """What else is done to training clips; one draw for a clip, the same in all its frames."""

    repeats: int = setting(1, "clips of each video in a batch, each drawn anew; an epoch has so many times the steps",
                           low=1)  # fmt: skip
    strides: tuple[int, ...] = setting((), "first and last of the strides that are drawn; empty: `clip.stride`")
    area: tuple[float, ...] = setting((), "random resized crops: first and last of the part of the frame's area that "
                                          "is shown; empty: `clip.train_sizes`", low=0, high=1)  # fmt: skip
    aspect: tuple[float, float] = setting((3 / 4, 4 / 3), "of random resized crops: first and last of width over "
                                                          "height", low=0)  # fmt: skip
    operations: int = setting(0, "RandAugment: how many of its operations are drawn for a clip", low=0)
    magnitude: float = setting(9.0, "RandAugment: how strong they are, from 0 to 10", low=0, high=10)
    jitter: tuple[float, float, float, float] = setting((0.0,) * 4, "brightness, contrast, saturation, hue")
    erase: float = setting(0.0, "probability that a rectangle is filled with noise")
    mixup: float = setting(0.0, "alpha; clips and labels of a pair are blended; 0: off", low=0)
    cutmix: float = setting(0.0, "alpha; a rectangle is swapped within a pair; with mixup, one or the other", low=0)


@dataclass(slots=True)
class ModelConfig:
    """Which network, with which head. What is left empty is that of `finetune.source`, if there is one."""

    name: str = setting("", "one of the networks' names; empty: r3d_18")
    blocks: tuple[int, ...] = setting((), "residual blocks in each stage, from the first; empty: the network's own")
    planes: int = setting(0, "channels of the first stage, doubled in each further one; 0: the network's own", low=0)
    stem_planes: int = setting(0, "channels of the stem; 0: the network's own", low=0)
    mean: tuple[float, ...] = setting((), "of the pixels over 255, one for each channel; empty: ImageNet's")
    std: tuple[float, ...] = setting((), "standard deviation of the pixels over 255, likewise; empty: ImageNet's")
    block: str = setting("", "whose output the head reads; empty: the last")
    pool: tuple[int, int, int] = setting((1, 7, 7), "cells (time, height, width) that the head pools, stride 1; "
                                                    "(0, 0, 0): all of them")  # fmt: skip
    dropout: float = setting(0.0, "part of the pooled features that is dropped in training", low=0)
    average: str = setting(
        "logits",
        "what is averaged over cells and views; clip_probabilities: logits over cells, probabilities over views",
        choices=("logits", "probabilities", "clip_probabilities"),
    )


@dataclass(slots=True)
class FinetuneConfig:
    """What a run is initialised from instead of random weights. A head for other classes is initialised anew."""

    source: str = setting("", "a run's folder, a converted or exported file, or the name of a published network")
    checkpoint: str = setting("last", "of a run", choices=("last", "best"))
    probe: bool = setting(False, "train the head alone, by logistic regression on features that the trunk gives once "
                                 "of the clips of `train.epochs` passes; `optim` is not used")  # fmt: skip
    freeze_trunk: bool = setting(False, "keep the trunk's parameters and batch statistics")
    freeze_until: str = setting("", "keep those up to a stage or a block, such as stem, stage2 or a block's name")
    trunk_factor: float = setting(1.0, "of the learning rate, for the trunk", low=0)
    head_first: float = setting(0.0, "part of the epochs, at the beginning, in which the head alone is trained", low=0,
                                high=1)  # fmt: skip
    batch_norm: str = setting("batch", "whose statistics normalise in training: the batch's, the source's (frozen), or "
                                       "auto: the source's where batches have fewer than 16 clips",
                              choices=("batch", "frozen", "auto"))  # fmt: skip


@dataclass(slots=True)
class OptimConfig:
    """The optimiser and its learning rate."""

    name: str = setting("sgd", "the optimiser", choices=("sgd", "adamw"))
    schedule: str = setting("multistep", "of the learning rate", choices=tuple(SCHEDULES))
    learning_rates: tuple[float, ...] = setting(
        (0.1, 0.01, 0.001),
        "multistep: one more than milestones; step: one for each equal part; linear, cosine: first and last; "
        "polynomial: the first; empty, but for multistep: chosen for the batch",
    )
    milestones: tuple[int, ...] = setting((20, 40), "multistep: epochs at which the next learning rate begins")
    power: float = setting(1.0, "of the polynomial", low=0)
    warmup_epochs: float = setting(0.0, "of a linear rise to the first learning rate; milestones stay where they are",
                                   low=0)  # fmt: skip
    warmup_start: float = setting(0.0, "learning rate at the beginning of the rise", low=0)
    update: str = setting("step", "how often a schedule without jumps changes", choices=("step", "epoch"))
    momentum: float = setting(0.9, "of SGD; 0: none", low=0)
    nesterov: bool = setting(False, "Nesterov's momentum, of SGD")
    betas: tuple[float, float] = setting((0.9, 0.999), "of AdamW: what its averages of the gradient and of its square "
                                         "keep from step to step", low=0)  # fmt: skip
    epsilon: float = setting(1e-8, "of AdamW: added to the square root that it divides by", low=0)
    clip_norm: float = setting(0.0, "largest norm of the gradient of all parameters; what is longer is scaled down to "
                                    "it; 0: off", low=0)  # fmt: skip
    weight_decay: float = setting(1e-4, "of all parameters but batch norm's; AdamW's is usually 0.01 to 0.05", low=0)
    decay_batch_norm: bool = setting(False, "weight decay on batch norm's scale and bias too")
    layer_decay: float = setting(1.0, "factor of the learning rate from one block to the one below it, heads at 1; 1: "
                                      "one rate for all", low=0, high=1)  # fmt: skip


@dataclass(slots=True)
class TrainConfig:
    """How long, in what batches, with what seed."""

    epochs: int = setting(45, "passes over the training videos; 0: chosen by their number", low=0)
    batch_size: int = setting(8, "clips, over all devices; 0: chosen by the number of videos and the memory", low=0)
    patience: int = setting(0, "tests in a row without a higher accuracy or a lower loss after which the run ends, "
                               "with its best checkpoint; 0: never", low=0)  # fmt: skip
    videos_per_epoch: int = setting(0, "videos of an epoch; 0: each training video once", low=0)
    balanced_sampling: bool = setting(False, "every class is shown equally often; an epoch is as long as without it")
    label_smoothing: float = setting(0.0, "part of each label that is spread evenly over all classes", low=0)
    class_weights: str = setting("none", "of the loss; balanced: each class counts the same, however many videos it "
                                         "has", choices=("none", "balanced"))  # fmt: skip
    ema_decay: float = setting(0.0, "of an exponential moving average of the weights, which tests and `load` use; such "
                                    "as 0.999; 0: off", low=0)  # fmt: skip
    precise_bn_batches: int = setting(0, "training batches over which batch norm's statistics are recomputed for each "
                                         "test and what it saves; 0: the running ones", low=0)  # fmt: skip
    sync_batch_norm: bool = setting(True, "batch statistics over all devices, not each for itself")
    gradient_accumulation: int = setting(1, "parts of each device's clips, computed in turn, for one step: less "
                                            "memory; batch norm sees each part alone", low=1)  # fmt: skip
    remat: tuple[int, ...] = setting((), "stages, from 1, computed again in the backward pass instead of kept: less "
                                         "memory")  # fmt: skip
    dtype: str = setting("float32", "of activations; parameters are float32",
                         choices=("float32", "bfloat16"))  # fmt: skip
    seed: int = setting(0, "of everything that is drawn", low=0)
    log_every: int = setting(10, "steps from one line of the log to the next", low=1)
    checkpoint_minutes: float = setting(10.0, "between checkpoints; one more after every test and at the end", low=0)


@dataclass(slots=True)
class EvalConfig:
    """When and on what to test."""

    every: int = setting(1, "epochs from one test to the next; always after the last", low=1)
    batch_size: int = setting(1, "videos, of `clip.views` clips each", low=1)
    views_at_once: int = setting(0, "views of a video that run through the network together; 0: all", low=0)
    dtype: str = setting("auto", "of activations in testing; auto: `train.dtype`, but in a report bfloat16 where the "
                                 "CPU multiplies it by itself and answers hardly move",
                         choices=("auto", "float32", "bfloat16"))  # fmt: skip
    videos: int = setting(0, "test videos, drawn over the classes by the seed; 0: all", low=0)


@dataclass(slots=True)
class Config:
    """All settings of one run, in sections.

    A configuration file may set `clip` to None, which stands for the clip of `finetune.source` with what the command
    line names of it changed; a run has it as settings again.
    """

    data: DataConfig = field(default_factory=DataConfig)
    clip: ClipSpec | None = field(default_factory=ClipSpec)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    finetune: FinetuneConfig = field(default_factory=FinetuneConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    eval: EvalConfig = field(default_factory=EvalConfig)


# What may differ when a run is resumed: it changes neither the network nor any step already taken.
FREE = ("data.source", "data.splits", "data.data_dir", "data.max_broken", "data.renew", "data.workers",
        "data.processes", "train.epochs", "train.patience", "train.log_every", "train.checkpoint_minutes", "eval.every",
        "eval.batch_size", "eval.dtype", "eval.videos", "eval.views_at_once", "train.remat")  # fmt: skip


# Settings by the names that earlier versions had for them.
RENAMED = {"train.micro_batches": "train.gradient_accumulation"}


def flatten(config: Config) -> dict[str, object]:
    """{"section.field": value} of every field."""
    return {
        f"{section.name}.{each.name}": getattr(getattr(config, section.name), each.name)
        for section in dataclasses.fields(config)
        for each in dataclasses.fields(getattr(config, section.name))
    }


def changed(before: Config, now: Config) -> dict[str, tuple[object, object]]:
    """{"section.field": (before, now)} of every field that differs; a list is as good as a tuple."""
    old, new = flatten(before), flatten(now)
    return {name: (old[name], new[name]) for name in new if _plain(old[name]) != _plain(new[name])}


def check_field(name: str) -> None:
    """Raises InputError unless `name` is a "section.field" of Config."""
    if name in RENAMED:
        raise InputError(f"config field {name!r} is called {RENAMED[name]!r} now; give it by that name")
    section, _, wanted = name.partition(".")
    sections = {known.name: known.default_factory for known in dataclasses.fields(Config)}
    if section not in sections:
        raise InputError(f"no config section {section!r}; there are {', '.join(sections)}")
    fields = [known.name for known in dataclasses.fields(sections[section])]
    if wanted not in fields:
        raise InputError(f"no config field {name!r}; `{section}` has {', '.join(fields)}")


def _plain(value):
    return list(value) if isinstance(value, tuple) else value


ClipConfig = ClipSpec  # its name in configurations of earlier versions
