"""What a run works with, made from its configuration before its first step."""

from pathlib import Path
from typing import Any, NamedTuple

import jax

from r3d_jax.config import Config
from r3d_jax.data.batches import Batches
from r3d_jax.data.builder import VideoSet
from r3d_jax.files import told_when_full
from r3d_jax.models.classifier import Classifier
from r3d_jax.training import from_config
from r3d_jax.training.initialise import make_model
from r3d_jax.training.logs import say
from r3d_jax.training.overview import overview
from r3d_jax.training.processes import agree, first_then_others, is_first
from r3d_jax.training.throughput import Pace
from r3d_jax.weights.load import load
from r3d_jax.weights.run import claim, has_begun
from r3d_jax.weights.run_files import read_network
from r3d_jax.weights.trained import TrainedNetwork


class Task(NamedTuple):
    """What a run works with; nothing of it changes while it works. `source` is what a new run is initialised from."""

    config: Config
    workdir: Path
    devices: list[jax.Device]
    class_names: tuple[str, ...]
    model: Classifier
    source: TrainedNetwork | None
    tx: Any
    pace: Pace
    train: Batches
    test: Batches
    videos: VideoSet

    @property
    def ema(self) -> bool:
        """Whether an average of the weights is kept."""
        return self.config.train.ema_decay > 0

    @property
    def total_steps(self) -> int:
        """Steps of all epochs that the configuration asks for."""
        return self.config.train.epochs * len(self.train)


def prepare(config: Config, workdir: Path, devices: list[jax.Device]) -> Task:
    """Prepares the data and claims `workdir` for the configuration.

    Raises:
      InputError: clips that the network cannot take, unusable data, or a workdir that holds another run or cannot be
        written to.
    """
    begun = agree(has_begun(workdir))
    finetune, train = config.finetune, config.train
    source = load(finetune.source, finetune.checkpoint) if finetune.source and not begun else None
    # The source of a run that has begun may be gone: the run's folder describes its network.
    stored = read_network(workdir) if begun and finetune.source else None
    from_config.check_model(config, stored or make_model(config, num_classes=2, source=source))
    videos = first_then_others(lambda: from_config.load_videos(config))
    model = stored or make_model(config, len(videos.class_names), source)
    train_set = from_config.make_train_batches(config, videos)
    test_set = from_config.make_eval_batches(config, videos, len(devices))
    with told_when_full(workdir, 2**20, "the description of a run"):
        lines = first_then_others(lambda: is_first() and claim(workdir, config, videos.class_names, model))
    for line in lines or ():
        say(line)
    tx, learning_rates = from_config.make_optimizer(config, model, len(train_set))
    say("\n".join(overview(config, videos, len(train_set), devices)))
    pace = Pace(learning_rates, len(train_set), train.batch_size, train.log_every)
    return Task(config, workdir, devices, videos.class_names, model, source, tx, pace, train_set, test_set, videos)
