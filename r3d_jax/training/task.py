"""What a run works with, made once from its configuration."""

from pathlib import Path
from typing import Any, NamedTuple

import jax

from r3d_jax.config import Config
from r3d_jax.data.batches import Batches
from r3d_jax.data.builder import VideoSet
from r3d_jax.models.classifier import Classifier
from r3d_jax.training.throughput import Pace
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
    def total_steps(self) -> int:
        """Steps of all epochs that the configuration asks for."""
        return self.config.train.epochs * len(self.train)
