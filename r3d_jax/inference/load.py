"""A trained run as something to call: its network, its variables, what it knows of its input and its classes."""

from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp

from r3d_jax import config as configs
from r3d_jax.errors import InputError
from r3d_jax.models.classifier import Classifier, build


class Loaded(NamedTuple):
    """A trained network.

    Attributes:
      clip_shape: (time, height, width, channel) of its training clips.
      stride: of the frames in a clip.
      test_size: short edge that its test frames were resized to.
    """

    model: Classifier
    variables: dict
    class_names: tuple[str, ...]
    clip_shape: tuple[int, int, int, int]
    stride: int
    test_size: int


def load(run: str | Path, checkpoint: str = "last") -> Loaded:
    """The network of a run folder, from its last or its "best" checkpoint.

    Raises:
      InputError: no run in that folder, or one without a checkpoint.
    """
    from r3d_jax.training.checkpoint import KEPT, restore_variables  # Orbax takes a second to import

    run = Path(run)
    if checkpoint not in KEPT:
        raise InputError(f"`checkpoint` (={checkpoint!r}) must be one of {', '.join(KEPT)}")
    if not (run / "config.json").exists() or not (run / "classes.txt").exists():
        raise InputError(f"no run in {run}: it has no config.json and classes.txt; name a folder that main.py made")
    config = configs.read(run / "config.json")
    class_names = tuple((run / "classes.txt").read_text().splitlines())
    model = build(num_classes=len(class_names), **asdict(config.model))
    clip = config.clip
    clip_shape = (clip.frames, clip.crop, clip.crop, 3)
    like = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, *clip_shape), jnp.float32))
    variables = restore_variables(run / "checkpoints", like, checkpoint)
    if variables is None:
        raise InputError(f"the run in {run} has no checkpoint yet; train it with main.py --workdir {run}")
    return Loaded(model, variables, class_names, clip_shape, clip.stride, clip.test_size)
