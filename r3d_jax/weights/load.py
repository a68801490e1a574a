"""A trained network as something to call, from a run or from a converted file."""

import json
from pathlib import Path

from r3d_jax import config as configs
from r3d_jax.errors import InputError
from r3d_jax.models.classifier import abstract_variables
from r3d_jax.models.description import from_dict
from r3d_jax.weights import export
from r3d_jax.weights.saved import Loaded, read


def load(source: str | Path, checkpoint: str = "last") -> Loaded:
    """The network of a run folder, from its last or its "best" checkpoint, or of a file of `convert` or `export`.

    Raises:
      InputError: nothing of that kind at `source`, a run without a checkpoint, class names that are not the head's.
    """
    source = Path(source)
    if source.is_dir():
        return _load_run(source, checkpoint)
    if not source.exists():
        raise InputError(
            f"no run, no converted and no exported network at {source}; name the folder of a run (main.py makes them "
            "in runs/), or a file of python -m r3d_jax convert or export"
        )
    if source.suffix == ".npz":
        return export.read(source)
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
    if (count := model.heads[0].num_classes) != len(class_names):
        raise InputError(
            f"{files[1]} names {len(class_names)} classes, but the head has {count}; it needs one line for each, as "
            "main.py has written it"
        )
    clip_shape = (clip.frames, clip.crop, clip.crop, model.trunk.input_planes)
    variables = restore_variables(run / "checkpoints", abstract_variables(model), checkpoint)
    if variables is None:
        raise InputError(f"the run in {run} has no checkpoint yet; train it with main.py --workdir {run}")
    return Loaded(
        *(model, variables, class_names, clip_shape, clip.stride, clip.test_size),
        *(clip.frame_rate, clip.views, clip.crops),
    )


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
