"""From a configuration to what a run works with: each function takes it once and gives one thing."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from r3d_jax.config import Config, OptimConfig
from r3d_jax.data.augmentation import augment, mix_pairs
from r3d_jax.data.batches import Batches, eval_batches, train_batches
from r3d_jax.data.builder import VideoSet
from r3d_jax.data.census import census_of, gaps, near_equal, same_videos
from r3d_jax.data.demo import Demo
from r3d_jax.data.hmdb51 import HMDB51
from r3d_jax.data.kinetics import Kinetics
from r3d_jax.data.sampling import split_rows
from r3d_jax.data.sources import ORIGIN, read_origin
from r3d_jax.data.ucf101 import UCF101
from r3d_jax.data.video_folder import VideoFolder
from r3d_jax.errors import InputError
from r3d_jax.models.classifier import Classifier
from r3d_jax.models.shapes import abstract_init
from r3d_jax.training import schedules
from r3d_jax.training.logs import say
from r3d_jax.training.losses import balanced_weights
from r3d_jax.training.optim import adamw, factors_of_blocks, sgd
from r3d_jax.training.processes import shard


def load_videos(config: Config, ahead: Callable[[Callable, list], None] | None = None) -> VideoSet:
    """The data set that the configuration names, prepared first if need be; what is wrong with its split is told.

    Args:
      ahead: prepares videos elsewhere, as `VideoBuilder.load` takes it.

    Raises:
      InputError: the videos cannot be had or used, or are of one class.
    """
    data = config.data
    where = {"source": data.source, "data_dir": data.data_dir, "max_broken": data.max_broken}
    where |= {"short_edge": data.reencode, "key_every": data.key_every, "renew": data.renew}
    if data.name == "demo":
        builder = Demo(data_dir=data.data_dir)
    elif data.name == "video_folder":
        split = {"test_share": data.test_share, "group": data.group, "seed": data.split_seed}
        builder = VideoFolder(**where, **split, multi_label=data.multi_label)
    else:
        builder = {"ucf101": UCF101, "hmdb51": HMDB51, "kinetics": Kinetics}[data.name]
        builder = builder(**where, splits=data.splits)
    videos = builder.load(ahead)
    if len(videos.class_names) < 2 and not videos.multi_label:
        raise InputError(
            f"all videos of {data.name} are of one class ({videos.class_names[0]}), and a network learns to tell "
            "classes apart; add videos of at least one other"
        )
    for line in _faults(videos, data.fold, Path(builder.data_dir)):
        say(line)
    return videos


def _faults(videos, fold, folder):
    """What is wrong with a fold; of one that the data set does not have, `split_rows` speaks."""
    if f"fold{fold}" not in videos.index:
        return []
    labels, members = (videos.index[column].tolist() for column in ("label", f"fold{fold}"))
    origin = read_origin(folder / ORIGIN)
    several = videos.multi_label
    names = ["" if several else videos.class_names[label] for label in labels]
    return [
        *gaps(census_of(labels, members, videos.class_names), f" in fold {fold} that can be decoded"),
        *(same_videos(origin.videos, videos.index["name"].tolist(), names, members) if origin else ()),
        *near_equal(videos.class_names),
    ]


def make_train_batches(config: Config, videos: VideoSet, *, mixed: bool = True) -> Batches:
    """The training batches of the configuration, of which each process reads its shard.

    Args:
      mixed: whether clips are mixed where the configuration says so.
    """
    train, augmented = config.train, config.augment
    changes = {name: getattr(augmented, name) for name in ("operations", "magnitude", "erase")}
    mixed = mixed and bool(augmented.mixup or augmented.cutmix)
    return train_batches(
        videos,
        "train",
        config.clip,
        fold=config.data.fold,
        batch_size=train.batch_size,
        seed=train.seed,
        videos_per_epoch=train.videos_per_epoch,
        balanced=train.balanced_sampling,
        repeats=augmented.repeats,
        strides=tuple(augmented.strides),
        area=tuple(augmented.area),
        aspect=tuple(augmented.aspect),
        augment=partial(augment, jitter=tuple(augmented.jitter), **changes),
        mix=partial(mix_pairs, mixup=augmented.mixup, cutmix=augmented.cutmix) if mixed else None,
        shard=shard(),
    )


def make_eval_batches(config: Config, videos: VideoSet, num_devices: int) -> Batches:
    """The evaluation batches of the configuration, of which each process reads its shard."""
    return eval_batches(
        videos,
        "test",
        config.clip,
        fold=config.data.fold,
        # Padding is masked, so testing takes any batch: the next one that the devices divide.
        batch_size=-(-config.eval.batch_size // num_devices) * num_devices,
        count=config.eval.videos,
        seed=config.train.seed,
        shard=shard(),
    )


def make_schedule(optim: OptimConfig, epochs: int, steps_per_epoch: int) -> Callable:
    """step -> learning rate, as configured."""
    rates = optim.learning_rates
    schedule = {
        "multistep": lambda: schedules.piecewise(rates, optim.milestones, epochs),
        "step": lambda: schedules.step(rates),
        "linear": lambda: schedules.linear(*rates),
        "cosine": lambda: schedules.cosine(*rates),
        "polynomial": lambda: schedules.polynomial(*rates, optim.power),
    }[optim.schedule]()
    in_jumps = optim.schedule in ("multistep", "step")
    if optim.warmup_epochs:
        warm = optim.warmup_epochs / epochs
        rise = schedules.linear(optim.warmup_start, rates[0])
        schedule = schedules.composite([rise, schedule], [warm, 1 - warm], [True, not in_jumps])
    if optim.update == "epoch" or (in_jumps and not optim.warmup_epochs):
        return schedules.by_epoch(schedule, epochs, steps_per_epoch)
    return schedules.by_step(schedule, epochs * steps_per_epoch)


def make_optimizer(config: Config, model: Classifier, steps_per_epoch: int) -> optax.GradientTransformation:
    """The optimiser for the parameters of `model`."""
    optim, finetune = config.optim, config.finetune
    schedule = make_schedule(optim, config.train.epochs, steps_per_epoch)
    if optim.name == "adamw":
        of_kind = partial(adamw, betas=tuple(optim.betas), epsilon=optim.epsilon)
    else:
        of_kind = partial(sgd, momentum=optim.momentum, nesterov=optim.nesterov)
    tx = of_kind(
        schedule,
        weight_decay=optim.weight_decay,
        decay_batch_norm=optim.decay_batch_norm,
        trunk_factor=0.0 if finetune.freeze_trunk else finetune.trunk_factor,
        block_factors=factors_of_blocks(
            model.trunk.block_names(), layer_decay=optim.layer_decay, freeze_until=finetune.freeze_until
        ),
    )
    if optim.clip_norm:
        tx = optax.chain(optax.clip_by_global_norm(optim.clip_norm), tx)
    return tx


def learning_rates(config: Config, steps_per_epoch: int) -> np.ndarray:
    """The learning rate of every step, which is that of heads."""
    schedule = make_schedule(config.optim, config.train.epochs, steps_per_epoch)
    return np.asarray(jax.jit(jax.vmap(schedule))(np.arange(config.train.epochs * steps_per_epoch)))


def train_options(config: Config) -> dict[str, Any]:
    """Further arguments of `train_step`, but for class weights, which depend on the videos."""
    names = ("seed", "sync_batch_norm", "gradient_accumulation", "dtype", "label_smoothing", "ema_decay")
    options = {name: getattr(config.train, name) for name in names}
    options |= {name: getattr(config.finetune, name) for name in ("freeze_trunk", "freeze_until")}
    frozen = config.finetune.batch_norm == "frozen"
    return options | {"freeze_batch_norm": frozen, "remat": tuple(config.train.remat)}


def head_alone(config: Config) -> Config:
    """The configuration of the steps in which the head alone is trained (`finetune.head_first`)."""
    return replace(config, finetune=replace(config.finetune, freeze_trunk=True))


def class_weights(config: Config, videos: VideoSet) -> tuple[float, ...]:
    """What each class weighs in the loss, by the training videos; empty: all the same."""
    if config.train.class_weights == "none":
        return ()
    labels = videos.index["label"][split_rows(videos, config.data.fold, "train")]
    return balanced_weights(labels, len(videos.class_names))


def precise_options(config: Config) -> dict[str, Any]:
    """Further arguments of `batch_statistics`."""
    names = ("sync_batch_norm", "freeze_trunk", "freeze_until", "freeze_batch_norm", "dtype")
    return {name: value for name, value in train_options(config).items() if name in names}


def eval_options(config: Config) -> dict[str, Any]:
    """Further arguments of `eval_step` and `predict_views`."""
    dtype = config.train.dtype if config.eval.dtype == "auto" else config.eval.dtype
    return {"views_at_once": config.eval.views_at_once, "dtype": dtype}


def check_model(config: Config, model: Classifier) -> None:
    """Refuses what does not suit the network's pool, before any data is fetched for it.

    Raises:
      InputError: training or test clips that the network cannot take, or a stage to freeze or to recompute that it does
        not have.
    """
    clip, finetune = config.clip, config.finetune
    for size, train in ((clip.crop, True), (clip.test_crop or clip.test_size, False)):
        clips = jax.ShapeDtypeStruct((1, clip.frames, size, size, model.trunk.input_planes), jnp.float32)
        abstract_init(model, clips, train=train, freeze_until=finetune.freeze_until, remat=tuple(config.train.remat))
