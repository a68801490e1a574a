"""Shards of predictions on the workers of Apache Beam, an optional package: each loads the network once."""

import pickle
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.ml.inference.base import ModelHandler, RunInference

from r3d_jax import pipelines
from r3d_jax.inference.shards import Shard


class _Writer(ModelHandler):
    """Beam's model is what writes a shard; an example is a shard, whose clips the network sees in batches of its own.

    So a shard is finished as soon as its last video is: gathered from single videos, none would be before all are.
    """

    def __init__(self, make: Callable[[], Callable[[Shard], Path]]):
        super().__init__(min_batch_size=1, max_batch_size=1)
        self._make = make

    def load_model(self):
        """Makes what writes shards, which Beam calls the model: once in each worker."""
        return self._make()

    def run_inference(self, batch, model, inference_args=None):
        """The path of each shard that was written."""
        return [str(model(pickle.loads(packed))) for packed in batch]


def write_shards_on_beam(shards: Iterable[Shard], make: Callable[[], Callable[[Shard], Path]], options: Any) -> None:
    """Writes shards on Beam's workers, in any order.

    Args:
      make: makes what writes a shard, as `shards.predictor` does; it can be pickled.
      options: as `pipelines.options_of` gives them.

    Raises:
      InputError: a worker has failed; the message has what it failed with.
    """
    packed = [pickle.dumps(shard) for shard in shards]
    writing = RunInference(_Writer(make))
    pipelines.run(lambda pipeline: pipeline | beam.Create(packed) | beam.Reshuffle() | writing, options)
