"""A trained network as something to call, from a run, a converted or an exported file."""

from pathlib import Path

from r3d_jax.errors import InputError
from r3d_jax.weights import converted, export
from r3d_jax.weights.run import load_run
from r3d_jax.weights.trained import TrainedNetwork


def load(source: str | Path, checkpoint: str = "last") -> TrainedNetwork:
    """The trained network in a run's folder, or in a file of `convert` or `export`.

    For example:

        network = r3d_jax.load("runs/mine")
        clips = r3d_jax.read_clips("video.mp4", network.clip)[None]
        logits = r3d_jax.predict_fn(network.variables, clips, model=network.model)

    Args:
      source: the folder or file.
      checkpoint: of a run: its "last" or its "best".

    Raises:
      InputError: nothing of that kind at `source`, or nothing that can be read; a run without such a checkpoint; class
        names that are not the head's.
    """
    source = Path(source).expanduser()
    if source.is_dir():
        return load_run(source, checkpoint)
    if not source.exists():
        raise InputError(
            f"no run, no converted and no exported network at {source}; name the folder of a run (training makes them "
            "in runs/), or a file of python -m r3d_jax convert or export"
        )
    if source.suffix == ".npz":
        return export.read(source)
    if source.suffix != ".safetensors":
        raise InputError(f"{source} is not converted yet; run python -m r3d_jax convert {source} OUT.safetensors")
    return converted.read(source)
