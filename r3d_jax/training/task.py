"""What a run works with: its data, its network, its optimizer, and the folder that it claims."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import grain
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Int

from r3d_jax import config as configs
from r3d_jax.config import Config
from r3d_jax.data.augment import augment, mix_pairs
from r3d_jax.data.builder import VideoSet, split_rows
from r3d_jax.data.demo import Demo
from r3d_jax.data.hmdb51 import HMDB51
from r3d_jax.data.kinetics import Kinetics
from r3d_jax.data.pipeline import spread_over_classes, steps_per_epoch, test_batches, train_batches
from r3d_jax.data.transforms import cutter
from r3d_jax.data.ucf101 import UCF101
from r3d_jax.data.video_folder import VideoFolder
from r3d_jax.errors import InputError
from r3d_jax.models.classifier import Classifier
from r3d_jax.models.description import to_dict
from r3d_jax.training.evaluate import make_evaluate
from r3d_jax.training.optim import make_schedule, sgd
from r3d_jax.training.processes import agree, first_then_others, is_first, share
from r3d_jax.training.progress import say
from r3d_jax.training.start import network
from r3d_jax.weights.load import load, read_network
from r3d_jax.weights.saved import Loaded


class Task(NamedTuple):
    """What a run works with; nothing of it changes while it works. `source` is what a new run starts from, if any."""

    config: Config
    workdir: Path
    devices: list[jax.Device]
    class_names: tuple[str, ...]
    model: Classifier
    source: Loaded | None
    learning_rates: np.ndarray  # of every step, on the host: asking the device would wait for the step under way
    tx: optax.GradientTransformation
    train: grain.MapDataset
    evaluate: Callable
    names: np.ndarray  # of all videos
    num_train_videos: int
    num_test_videos: int
    steps_per_epoch: int

    @property
    def total_steps(self) -> int:
        return self.config.train.epochs * self.steps_per_epoch


def set_up(config: Config, workdir: Path, devices: list[jax.Device], stop: Callable = lambda: False) -> Task:
    """Prepares the data and claims `workdir` for the configuration.

    Raises:
      InputError: clips that the network cannot take, unusable data, or a workdir that holds another run.
    """
    begun = agree(any(path.name.isdigit() for path in (workdir / "checkpoints" / "last").glob("*")))
    finetune, clip, train = config.finetune, config.clip, config.train
    source = load(finetune.source, finetune.checkpoint) if finetune.source and not begun else None
    # The source of a run that has begun may be gone: the run's folder describes its network.
    stored = read_network(workdir) if begun and finetune.source else None
    model = stored or network(config, num_classes=2, source=source)
    _check_clips(model, clip, finetune.freeze_trunk, train.remat)
    videos = first_then_others(lambda: load_videos(config))
    num_classes = len(videos.class_names)
    train_rows, test_rows = (split_rows(videos, config.data.fold, split) for split in ("train", "test"))
    model = stored or network(config, num_classes, source)
    first_then_others(lambda: is_first() and _claim(config, videos.class_names, model, workdir))
    per_epoch = steps_per_epoch(train.videos_per_epoch or len(train_rows), train.batch_size)
    optim = config.optim
    schedule = make_schedule(optim, train.epochs, per_epoch)
    tx = sgd(
        schedule,
        momentum=optim.momentum,
        nesterov=optim.nesterov,
        weight_decay=optim.weight_decay,
        decay_batch_norm=optim.decay_batch_norm,
        trunk_factor=0.0 if finetune.freeze_trunk else finetune.trunk_factor,
    )
    say(
        f"{config.data.name} fold {config.data.fold}: {len(train_rows)} training and {len(test_rows)} test videos, "
        f"{num_classes} classes; {per_epoch} steps an epoch on {len(devices)} {devices[0].platform} device(s)"
    )
    return Task(
        config=config,
        workdir=workdir,
        devices=devices,
        class_names=videos.class_names,
        model=model,
        source=source,
        learning_rates=np.asarray(jax.jit(jax.vmap(schedule))(jnp.arange(train.epochs * per_epoch))),
        tx=tx,
        train=clips_of(config, videos, train_rows),
        evaluate=make_evaluate(
            model,
            tests_of(config, videos, test_rows, len(devices)),
            names=videos.index["name"],
            devices=devices,
            workers=config.data.workers,
            num_classes=num_classes,
            stop=stop,
            views_at_once=config.eval.views_at_once,
            dtype=train.dtype,
        ),
        names=videos.index["name"],
        num_train_videos=len(train_rows),
        num_test_videos=len(test_rows),
        steps_per_epoch=per_epoch,
    )


def clips_of(config: Config, videos: VideoSet, rows: np.ndarray) -> grain.MapDataset:
    """The training batches of the configuration."""
    clip, train, augmented = config.clip, config.train, config.augment
    strides = augmented.strides or (clip.stride, clip.stride)
    return train_batches(
        videos,
        rows,
        batch_size=train.batch_size,
        videos_per_epoch=train.videos_per_epoch,
        seed=train.seed,
        frames=clip.frames,
        strides=(strides[0], strides[1]),
        frame_rate=clip.frame_rate,
        sizes=clip.train_sizes,
        crop=clip.crop,
        flip=clip.flip,
        augment=partial(
            augment,
            jitter=tuple(augmented.jitter),
            operations=augmented.operations,
            magnitude=augmented.magnitude,
            erase=augmented.erase,
        ),
        mix=partial(mix_pairs, mixup=augmented.mixup, cutmix=augmented.cutmix)
        if augmented.mixup or augmented.cutmix
        else None,
        share=share(),
    )


def tests_of(config: Config, videos: VideoSet, rows: Int[np.ndarray, "video"], num_devices: int) -> grain.MapDataset:
    """The test batches of the configuration, of `rows` or of those that `eval.videos` draws of them."""
    clip, count = config.clip, config.eval.videos or len(rows)
    return test_batches(
        videos,
        spread_over_classes(videos.index["label"], rows, count, config.train.seed),
        # Padding is masked, so testing takes any batch: the next one that the devices divide.
        batch_size=-(-config.eval.batch_size // num_devices) * num_devices,
        views=clip.views,
        frames=clip.frames,
        stride=clip.stride,
        frame_rate=clip.frame_rate,
        size=clip.test_size,
        cut=cutter(clip.crops, clip.crop),
        share=share(),
    )


def load_videos(config: Config) -> VideoSet:
    """The data set that the configuration names, prepared first if need be."""
    data = config.data
    where = {"source": data.source, "data_dir": data.data_dir, "max_broken": data.max_broken}
    where |= {"short_edge": data.reencode, "key_every": data.key_every}
    if data.name == "demo":
        return Demo(data_dir=data.data_dir).load()
    if data.name == "video_folder":
        return VideoFolder(**where, test_share=data.test_share, group=data.group, seed=data.split_seed).load()
    builder = {"ucf101": UCF101, "hmdb51": HMDB51, "kinetics": Kinetics}[data.name]
    return builder(**where, splits=data.splits).load()


def _check_clips(model, clip, freeze_trunk, remat):
    """Refuses clips that do not suit the network's pool before any data is fetched for it."""
    for size, train in ((clip.crop, True), (clip.test_size, False)):
        clips = jax.ShapeDtypeStruct((1, clip.frames, size, size, 3), jnp.float32)
        keys = {"params": jax.random.key(0), "dropout": jax.random.key(0)}
        jax.eval_shape(partial(model.init, train=train, freeze_trunk=freeze_trunk, remat=remat), keys, clips)


def _claim(config, class_names, model, workdir):
    """Writes configuration, class names and network, unless they contradict those of a run in `workdir`."""
    workdir.mkdir(parents=True, exist_ok=True)
    path, classes = workdir / "config.json", workdir / "classes.txt"
    if path.exists():
        changed = configs.changed(configs.read(path), config)
        free = set(configs.FREE)
        if config.optim.schedule != "multistep":
            free.remove("train.epochs")  # on which the learning rate of every step depends
        fixed = {name: values for name, values in changed.items() if name not in free}
        if fixed:
            listing = "".join(f"\n  {name}: {before!r} there, {now!r} now" for name, (before, now) in fixed.items())
            raise InputError(
                f"{workdir} holds a run with another configuration:{listing}\n"
                "use another --workdir, or the values that the run was started with"
            )
        for name, (before, now) in changed.items():
            say(f"{name}: {before!r} when the run was started, {now!r} now")
    if classes.exists() and tuple(classes.read_text().splitlines()) != class_names:
        raise InputError(
            f"{workdir} holds a run with other classes ({len(classes.read_text().splitlines())} there, "
            f"{len(class_names)} now; see {classes}); use another --workdir, or the data it was started with"
        )
    configs.write(config, path)
    classes.write_text("".join(f"{name}\n" for name in class_names))
    (workdir / "network.json").write_text(json.dumps(to_dict(model), indent=2) + "\n")
