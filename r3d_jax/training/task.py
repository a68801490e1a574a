"""What a run works with, made from its configuration before its first step."""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from r3d_jax.config import Config
from r3d_jax.config_check import check
from r3d_jax.data.batches import Batches
from r3d_jax.data.builder import VideoSet
from r3d_jax.data.census import Largest
from r3d_jax.data.sampling import split_rows
from r3d_jax.files import told_when_full
from r3d_jax.models import onednn_probe
from r3d_jax.models.classifier import Classifier
from r3d_jax.models.cost import activations
from r3d_jax.training import choose, from_config
from r3d_jax.training.devices import memory_of
from r3d_jax.training.initialise import make_model
from r3d_jax.training.logs import say
from r3d_jax.training.overview import baselines, overview
from r3d_jax.training.processes import agree, first_then_others, is_first
from r3d_jax.training.throughput import Pace
from r3d_jax.weights.load import load
from r3d_jax.weights.run import claim, has_begun
from r3d_jax.weights.run_files import CONFIG, read_config, read_network, saved_by_script
from r3d_jax.weights.trained import TrainedNetwork

KEPT = 3 * 4  # bytes that training keeps for a value of a convolution: it, what follows from it, gradients; measured


class Task(NamedTuple):
    """What a run works with; nothing of it changes while it works.

    Attributes:
      source: what a new run is initialised from.
      tx, head_tx: the optimiser, and that of the first steps, in which the head alone is trained.
      commonest: of always answering the largest class, how much is right of the training and of the test videos; of
        several labels, none.
      test_clip: pixels of a test clip, as a multiple of a training clip's.
    """

    config: Config
    workdir: Path
    devices: list[jax.Device]
    class_names: tuple[str, ...]
    model: Classifier
    source: TrainedNetwork | None
    tx: Any
    head_tx: Any
    pace: Pace
    train: Batches
    test: Batches
    videos: VideoSet
    commonest: tuple[Largest, ...]
    test_clip: float

    @property
    def ema(self) -> bool:
        """Whether an average of the weights is kept."""
        return self.config.train.ema_decay > 0

    @property
    def total_steps(self) -> int:
        """Steps of all epochs that the configuration asks for."""
        return self.config.train.epochs * len(self.train)

    @property
    def head_steps(self) -> int:
        """Steps, from the first, in which the head alone is trained: whole epochs."""
        return int(self.config.finetune.head_first * self.config.train.epochs) * len(self.train)


def prepare(config: Config, workdir: Path, devices: list[jax.Device]) -> Task:
    """Prepares the data, chooses what is left to be chosen, and claims `workdir` for the configuration.

    Raises:
      InputError: clips that the network cannot take, unusable data, settings that cannot work with it, or a workdir
        that holds another run or cannot be written to.
    """
    begun = agree(has_begun(workdir))
    finetune = config.finetune
    source = load(finetune.source, finetune.checkpoint) if finetune.source and not begun else None
    # The source of a run that has begun may be gone: the run's folder describes its network.
    stored = read_network(workdir) if begun and finetune.source else None
    from_config.check_model(config, stored or make_model(config, num_classes=2, source=source))
    videos = first_then_others(lambda: from_config.load_videos(config))
    model = stored or make_model(config, len(videos.class_names), source)
    config = _settled(config, workdir, videos, model, devices)
    train_set = from_config.make_train_batches(config, videos)
    test_set = from_config.make_eval_batches(config, videos, len(devices))
    with told_when_full(workdir, 2**20, "the description of a run"):
        lines = first_then_others(lambda: is_first() and claim(workdir, config, videos.class_names, model))
    for line in lines or ():
        say(line)
    tx = from_config.make_optimizer(config, model, len(train_set))
    head_tx = from_config.make_optimizer(from_config.head_alone(config), model, len(train_set))
    rates = from_config.learning_rates(config, len(train_set))
    say("\n".join(overview(config, videos, len(train_set), devices)))
    if devices[0].platform == "cpu":
        say(onednn_probe.describe(config.train.dtype))
    pace = Pace(rates, len(train_set), config.train.batch_size, config.train.log_every, train_set.videos_of)
    return Task(
        config,
        workdir,
        devices,
        videos.class_names,
        model,
        source,
        tx,
        head_tx,
        pace,
        train_set,
        test_set,
        videos,
        baselines(config, videos),
        _test_clip(config.clip, videos, split_rows(videos, config.data.fold, "test")),
    )


def _settled(config, workdir, videos, model, devices):
    """The configuration with what it leaves to be chosen: as in the run that there is, or for the videos."""
    if not (names := choose.left(config)):
        return config
    count = config.train.videos_per_epoch or len(split_rows(videos, config.data.fold, "train"))
    if (workdir / CONFIG).exists() and not saved_by_script(workdir):
        config = choose.taken_from(config, read_config(workdir))
    else:
        parts = len(devices) * config.train.gradient_accumulation
        shape = config.clip.shape[:3]
        fits = memory_of(devices[0]) // 2 // (KEPT * activations(model, shape)) * parts
        config = choose.choose(config, videos=count, fits=agree(max(1, fits)), parts=parts)
    check(config, len(devices), jax.process_count())
    say(choose.describe(names, config, count))
    return config


def _test_clip(clip, videos, rows):
    """Pixels of a test clip as a multiple of a training clip's; of videos of several shapes, their mean."""
    if clip.crops > 1 or clip.test_crop:
        return ((clip.test_crop or clip.crop) / clip.crop) ** 2
    sides = np.sort(np.stack([videos.index["height"][rows], videos.index["width"][rows]]), 0)
    return (clip.test_size / clip.crop) ** 2 * float((sides[1] / sides[0]).mean())
