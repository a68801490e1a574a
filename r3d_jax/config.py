"""Every setting, its default and its meaning; `check` refuses what cannot work, before anything runs."""

import dataclasses
import json
import os
import typing
from dataclasses import dataclass, field
from pathlib import Path

from r3d_jax.errors import InputError

DATA_SETS = ("ucf101", "hmdb51", "kinetics", "video_folder", "demo")
# The number of learning rates that each takes; 0: any.
SCHEDULES = {"multistep": 0, "step": 0, "linear": 2, "cosine": 2, "polynomial": 1}


@dataclass(slots=True)
class DataConfig:
    """Which videos."""

    name: str = "ucf101"  # one of DATA_SETS
    source: str = ""  # folder of the videos or their archives; empty: download (the demo draws its own)
    splits: str = ""  # folder of the split files or annotations, relative to `source` or not; empty: found in `source`
    test_share: float = 0.2  # video_folder: of each class, held out where the source has no train and test of its own
    group: str = ""  # video_folder: regular expression; videos in whose "class/file" it finds the same stay together
    split_seed: int = 0  # video_folder: of the draw of what is held out
    data_dir: str = "data"  # where prepared data sets are kept
    fold: int = 1
    max_broken: float = 0.01  # share of the videos that may fail to decode, when they are prepared and in training
    reencode: int = 0  # short edge that videos are re-encoded at when they are prepared; 0: kept as they are
    key_every: int = 12  # frames, from one that decoding may start at to the next, in a re-encoded video
    workers: int = 2  # decoding threads; 0 decodes in the main thread; batches are the same for any number
    processes: int = 0  # that decode for training instead of the threads, which share a lock


@dataclass(slots=True)
class ClipConfig:
    """What the network sees of a video."""

    frames: int = 8
    stride: int = 1  # of the frames, in a clip
    frame_rate: float = 0.0  # that videos are brought to first, by their time stamps; 0: every frame counts
    train_sizes: tuple[int, int] = (128, 160)  # short edge in training, drawn from first to last inclusive
    crop: int = 112
    flip: float = 0.5  # probability of a horizontal flip
    test_size: int = 128  # short edge in testing; the whole frame is seen
    views: int = 10  # evenly spaced clips of a test video
    crops: int = 1  # of each: 1: the whole frame, 3: squares along the long edge, 10: corners, middle, mirror images


@dataclass(slots=True)
class AugmentConfig:
    """What else is done to training clips; one draw for a clip, the same in all its frames."""

    strides: tuple[int, ...] = ()  # first and last of the strides that are drawn; empty: `clip.stride`
    operations: int = 0  # RandAugment: how many of its operations are drawn for a clip
    magnitude: float = 9.0  # RandAugment: how strong they are, from 0 to 10
    jitter: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)  # brightness, contrast, saturation, hue
    erase: float = 0.0  # probability that a rectangle is filled with noise
    mixup: float = 0.0  # alpha; clips and labels of a pair are blended; 0: off
    cutmix: float = 0.0  # alpha; a rectangle is swapped within a pair; with mixup, one or the other


@dataclass(slots=True)
class ModelConfig:
    """Which network, with which head. What is left empty is that of `finetune.source`, if there is one."""

    name: str = ""  # one of models/presets.py; empty: r3d_18
    blocks: tuple[int, ...] = ()  # residual blocks in each stage; empty: the network's own
    planes: int = 0  # channels of the first stage, doubled in each further one; 0: the network's own
    stem_planes: int = 0  # 0: the network's own
    mean: tuple[float, ...] = ()  # of the pixels over 255, one for each channel; empty: ImageNet's
    std: tuple[float, ...] = ()
    block: str = ""  # that the head reads; empty: the last
    pool: tuple[int, int, int] = (1, 7, 7)  # of its grid (time, height, width), stride 1; (0, 0, 0): all of it
    dropout: float = 0.0
    average: str = "logits"  # over the cells of the grid and the views of a video; or "probabilities"


@dataclass(slots=True)
class FinetuneConfig:
    """What a run starts from instead of random weights. A head for other classes starts anew."""

    source: str = ""  # a run's folder or a converted network
    checkpoint: str = "last"  # or "best", of a run
    freeze_trunk: bool = False  # its parameters and its batch statistics
    trunk_factor: float = 1.0  # of the learning rate, for the trunk


@dataclass(slots=True)
class OptimConfig:
    """SGD and its learning rate."""

    schedule: str = "multistep"  # one of SCHEDULES
    # multistep: one more than milestones; step: one for each equal part; linear, cosine: first, last; polynomial: first
    learning_rates: tuple[float, ...] = (0.1, 0.01, 0.001)
    milestones: tuple[int, ...] = (20, 40)  # multistep: epochs at which the next learning rate starts
    power: float = 1.0  # polynomial
    warmup_epochs: float = 0.0  # linear rise to the first learning rate; multistep and step keep their epochs with it
    warmup_start: float = 0.0  # learning rate at its beginning
    update: str = "step"  # how often a warm-up, linear, cosine or polynomial changes; or "epoch"
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4
    decay_batch_norm: bool = False  # weight decay on batch norm's scale and bias too


@dataclass(slots=True)
class TrainConfig:
    """How long, in what batches, with what seed."""

    epochs: int = 45
    batch_size: int = 8  # clips, over all devices
    videos_per_epoch: int = 0  # 0: each video once
    sync_batch_norm: bool = True  # batch statistics over all devices, not each for itself
    micro_batches: int = (
        1  # parts of each device's clips, computed in turn: less memory; batch norm sees each part alone
    )
    remat: tuple[int, ...] = ()  # stages, from 1, computed again in the backward pass instead of kept: less memory
    dtype: str = "float32"  # of activations, in testing too; or "bfloat16", for accelerators; parameters are float32
    seed: int = 0
    log_every: int = 10  # steps
    checkpoint_minutes: float = 10.0  # also after every evaluation and at the end


@dataclass(slots=True)
class EvalConfig:
    """When and on what to test."""

    every: int = 1  # epochs; always after the last
    batch_size: int = 1  # videos, of `clip.views` clips each
    views_at_once: int = 0  # views of a video that run through the network together, which bounds memory; 0: all
    videos: int = 0  # 0: all; otherwise so many, spread over the classes by the seed


@dataclass(slots=True)
class Config:
    """One run."""

    data: DataConfig = field(default_factory=DataConfig)
    clip: ClipConfig = field(default_factory=ClipConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    finetune: FinetuneConfig = field(default_factory=FinetuneConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    eval: EvalConfig = field(default_factory=EvalConfig)


# What may differ when a run is resumed: it changes neither the network nor any step already taken.
FREE = ("data.source", "data.splits", "data.data_dir", "data.max_broken", "data.workers", "data.processes",
        "train.epochs", "train.log_every", "train.checkpoint_minutes", "eval.every", "eval.batch_size",
        "eval.videos", "eval.views_at_once", "train.remat")  # fmt: skip


def flatten(config: Config) -> dict[str, object]:
    """{"section.field": value} of every field."""
    return {
        f"{section.name}.{field.name}": getattr(getattr(config, section.name), field.name)
        for section in dataclasses.fields(config)
        for field in dataclasses.fields(getattr(config, section.name))
    }


def changed(before: Config, now: Config) -> dict[str, tuple[object, object]]:
    """{"section.field": (before, now)} of every field that differs; a list is as good as a tuple."""
    old, new = flatten(before), flatten(now)
    return {name: (old[name], new[name]) for name in new if _plain(old[name]) != _plain(new[name])}


def _plain(value):
    return list(value) if isinstance(value, tuple) else value


def write(config: Config, path: Path) -> None:
    """Writes `config` as JSON, whole or not at all."""
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(json.dumps(dataclasses.asdict(config), indent=2) + "\n")
    os.replace(unfinished, path)


def read(path: Path) -> Config:
    """The configuration that `write` has written; a field that it lacks takes its default.

    Raises:
      InputError: the file is not such JSON.
    """
    config = Config()
    try:
        for section, fields in json.loads(path.read_text()).items():
            for name, value in fields.items():
                setattr(getattr(config, section), name, tuple(value) if isinstance(value, list) else value)
    except (ValueError, AttributeError) as error:
        raise InputError(f"{path} is not the configuration of a run of this version ({error})") from error
    return config


def check_field(name: str) -> None:
    """Raises InputError unless `name` is a "section.field" of Config."""
    section, _, field = name.partition(".")
    sections = {known.name: known.type for known in dataclasses.fields(Config)}
    if section not in sections:
        raise InputError(f"no config section {section!r}; there are {', '.join(sections)}")
    fields = [known.name for known in dataclasses.fields(sections[section])]
    if field not in fields:
        raise InputError(f"no config field {name!r}; `{section}` has {', '.join(fields)}")


def check(config: Config, devices: int, processes: int = 1) -> None:
    """Raises InputError for the first setting that cannot work on so many devices of so many processes."""
    _check_types(config)
    data, clip, optim, train = config.data, config.clip, config.optim, config.train
    if data.name not in DATA_SETS:
        raise InputError(f"`data.name` (={data.name!r}) must be one of {', '.join(DATA_SETS)}")
    _at_least(1, clip, "clip", "frames", "stride", "crop", "test_size", "views")
    _at_least(1, train, "train", "epochs", "batch_size", "log_every", "micro_batches")
    _at_least(1, config.eval, "eval", "every", "batch_size")
    _at_least(0, clip, "clip", "frame_rate")
    _check_augment(config.augment, train.batch_size, processes)
    if clip.crops not in (1, 3, 10):
        raise InputError(f"`clip.crops` (={clip.crops}) must be 1, 3 or 10")
    if clip.crops == 10 and clip.crop > clip.test_size:
        raise InputError(
            f"`clip.crop` (={clip.crop}) must be at most `clip.test_size` (={clip.test_size}), from which ten are cut"
        )
    _at_least(0, config.model, "model", "planes", "stem_planes")
    _at_least(0, config.finetune, "finetune", "trunk_factor")
    _at_least(0, data, "data", "workers", "processes", "max_broken", "split_seed", "reencode")
    _at_least(1, data, "data", "key_every")
    if not 0 < data.test_share < 1:
        raise InputError(f"`data.test_share` (={data.test_share}) must be between 0 and 1")
    _at_least(0, train, "train", "videos_per_epoch", "checkpoint_minutes", "seed")
    _at_least(0, config.eval, "eval", "videos", "views_at_once")
    _at_least(0, optim, "optim", "weight_decay", "momentum", "power", "warmup_epochs", "warmup_start")
    low, high = clip.train_sizes
    if not clip.crop <= low <= high:
        raise InputError(
            f"`clip.train_sizes` (={clip.train_sizes}) must rise from at least `clip.crop` (={clip.crop}): the crop is "
            "cut from a frame whose short edge is drawn from them"
        )
    if not 0 <= clip.flip <= 1:
        raise InputError(f"`clip.flip` (={clip.flip}) must be a probability, from 0 to 1")
    if not 0 <= config.model.dropout < 1:
        raise InputError(f"`model.dropout` (={config.model.dropout}) must be at least 0 and below 1")
    parts = devices * train.micro_batches
    if train.batch_size % parts:
        fitting = max(parts, train.batch_size // parts * parts)
        times = f", {train.micro_batches} `train.micro_batches` on each" if train.micro_batches > 1 else ""
        raise InputError(
            f"`train.batch_size` (={train.batch_size}) must be divisible by the {devices} devices{times}; try {fitting}"
        )
    if train.dtype not in ("float32", "bfloat16"):
        raise InputError(f"`train.dtype` (={train.dtype!r}) must be float32 or bfloat16")
    _check_schedule(optim, train.epochs)
    if config.finetune.freeze_trunk and not config.finetune.source:
        raise InputError("`finetune.freeze_trunk` (=True) would keep a random trunk; set `finetune.source`")
    if len(config.model.mean) != len(config.model.std):
        raise InputError(
            f"`model.mean` (={config.model.mean}) and `model.std` (={config.model.std}) must be set together, "
            "one value for each channel"
        )
    if optim.nesterov and not optim.momentum:
        raise InputError("`optim.nesterov` (=True) needs a momentum; set `optim.momentum` above 0")


def _check_augment(augment, batch_size, processes):
    _at_least(0, augment, "augment", "operations", "magnitude", "mixup", "cutmix")
    strides = augment.strides
    if strides and not (len(strides) == 2 and 1 <= strides[0] <= strides[1]):
        raise InputError(f"`augment.strides` (={strides}) must be the first and the last stride, from 1")
    if augment.magnitude > 10:
        raise InputError(f"`augment.magnitude` (={augment.magnitude}) must be at most 10")
    if min(augment.jitter) < 0 or augment.jitter[3] > 0.5:
        raise InputError(f"`augment.jitter` (={augment.jitter}) must be at least 0, and its last value at most 0.5")
    if not 0 <= augment.erase <= 1:
        raise InputError(f"`augment.erase` (={augment.erase}) must be a probability, from 0 to 1")
    if (augment.mixup or augment.cutmix) and batch_size // processes % 2:
        where = f" in each of the {processes} processes" if processes > 1 else ""
        raise InputError(
            f"`train.batch_size` (={batch_size}) must be even{where}: `augment.mixup` and `augment.cutmix` mix pairs "
            "of clips"
        )


def _check_schedule(optim, epochs):
    rates, milestones = optim.learning_rates, optim.milestones
    if optim.schedule not in SCHEDULES:
        raise InputError(f"`optim.schedule` (={optim.schedule!r}) must be one of {', '.join(SCHEDULES)}")
    if optim.update not in ("step", "epoch"):
        raise InputError(f"`optim.update` (={optim.update!r}) must be step or epoch")
    if optim.schedule == "multistep":
        if len(rates) != len(milestones) + 1:
            raise InputError(
                f"`optim.learning_rates` (={rates}) must have one value more than `optim.milestones` (={milestones})"
            )
        if list(milestones) != sorted(set(milestones)) or any(m < 1 for m in milestones):
            raise InputError(f"`optim.milestones` (={milestones}) must be rising epochs from 1")
    count = SCHEDULES[optim.schedule]
    if not rates or (count and len(rates) != count):
        raise InputError(f"`optim.learning_rates` (={rates}) must have {count or 'some'} values for `{optim.schedule}`")
    if not optim.warmup_epochs < epochs:
        raise InputError(f"`optim.warmup_epochs` (={optim.warmup_epochs}) must be below `train.epochs` (={epochs})")


def _at_least(least, section, prefix, *names):
    for name in names:
        if (value := getattr(section, name)) < least:
            raise InputError(f"`{prefix}.{name}` (={value}) must be at least {least}")


def _check_types(config):
    for section in dataclasses.fields(config):
        values = getattr(config, section.name)
        for name, expected in typing.get_type_hints(type(values)).items():
            if not _is_a(getattr(values, name), expected):
                raise InputError(
                    f"`{section.name}.{name}` (={getattr(values, name)!r}) must be of type "
                    f"{getattr(expected, '__name__', None) if isinstance(expected, type) else expected}"
                )


def _is_a(value, expected):
    if typing.get_origin(expected) is tuple:
        kinds = typing.get_args(expected)
        if not isinstance(value, tuple | list):
            return False
        if kinds[1:] == (...,):
            return all(_is_a(item, kinds[0]) for item in value)
        return len(value) == len(kinds) and all(map(_is_a, value, kinds))
    if expected is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, expected) and (expected is bool or not isinstance(value, bool))
