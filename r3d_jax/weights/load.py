"""A trained network as something to call, from a run or from a converted file."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp

from r3d_jax import config as configs
from r3d_jax.errors import InputError
from r3d_jax.models.description import from_dict
from r3d_jax.weights.saved import Loaded, read


def load(source: str | Path, checkpoint: str = "last") -> Loaded:
    """The network of a run folder, from its last or its "best" checkpoint, or of a file made by `convert`.

    Raises:
      InputError: nothing of that kind at `source`, or a run without a checkpoint.
    """
    source = Path(source)
    if source.is_dir():
        return _load_run(source, checkpoint)
    if not source.exists():
        raise InputError(f"no run and no converted network at {source}")
    if source.suffix != ".safetensors":
        raise InputError(f"{source} is not converted yet; run python -m r3d_jax convert {source} OUT.safetensors")
    return read(source)


def _load_run(run, checkpoint):
    from r3d_jax.weights.checkpoint import KEPT, restore_variables  # Orbax takes a second to import

    if checkpoint not in KEPT:
        raise InputError(f"`checkpoint` (={checkpoint!r}) must be one of {', '.join(KEPT)}")
    files = [run / name for name in ("config.json", "classes.txt", "network.json")]
    if missing := [file.name for file in files if not file.exists()]:
        raise InputError(f"no run in {run}: it has no {' and no '.join(missing)}; name a folder that main.py made")
    clip = configs.read(files[0]).clip
    class_names = tuple(files[1].read_text().splitlines())
    model = read_network(run)
    clip_shape = (clip.frames, clip.crop, clip.crop, model.trunk.input_planes)
    like = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, *clip_shape), jnp.float32))
    variables = restore_variables(run / "checkpoints", like, checkpoint)
    if variables is None:
        raise InputError(f"the run in {run} has no checkpoint yet; train it with main.py --workdir {run}")
    return Loaded(model, variables, class_names, clip_shape, clip.stride, clip.test_size)


def read_network(run: Path):
    """The network that a run folder describes.

    Raises:
      InputError: a description that cannot be read.
    """
    path = run / "network.json"
    try:
        return from_dict(json.loads(path.read_text()))
    except ValueError as error:  # no JSON, or a description that this version does not know
        raise InputError(f"{path} cannot be read: {error}") from error
