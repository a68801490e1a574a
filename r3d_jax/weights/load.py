"""A trained network as something to call: from a run, a converted or an exported file, or published under a name."""

from pathlib import Path

from r3d_jax.errors import InputError
from r3d_jax.weights import converted, export, hub
from r3d_jax.weights.published import find
from r3d_jax.weights.run import load_run
from r3d_jax.weights.trained import TrainedNetwork


def load(source: str | Path, checkpoint: str = "last") -> TrainedNetwork:
    """The trained network in a run's folder, in a file of `convert` or `export`, or one that is published.

    A published network is downloaded and converted when it is first asked for, into `R3D_JAX_HOME` or the user's folder
    for caches; a file or folder of that name goes before it.

    For example:

        network = r3d_jax.load("runs/mine")
        clips = r3d_jax.read_clips("video.mp4", network.clip)[None]
        logits = r3d_jax.predict_fn(network.variables, clips, model=network.model)

    Args:
      source: the folder or file, the name of one of `list_models`, or `hf://OWNER/NAME` for one of the Hugging Face Hub
        that was published by this package.
      checkpoint: of a run: its "last" or its "best".

    Raises:
      InputError: nothing of that kind at `source`, or nothing that can be read; a run without such a checkpoint; class
        names that are not the head's; a published network that cannot be downloaded.
    """
    source = Path(source).expanduser()
    if source.is_dir():
        return load_run(source, checkpoint)
    if not source.exists() and is_published(source):
        return converted.read(_obtain(source))
    if not source.exists():
        raise InputError(
            f"no run, no converted and no exported network at {source}; name the folder of a run (training makes them "
            "in runs/), a file of python -m r3d_jax convert or export, or a network of python -m r3d_jax models"
        )
    if source.suffix == ".npz":
        return export.read(source)
    if source.suffix != ".safetensors":
        raise InputError(f"{source} is not converted yet; run python -m r3d_jax convert {source} OUT.safetensors")
    return converted.read(source)


def is_published(source: str | Path) -> bool:
    """Whether `source`, which is no file here, is the name of a published network or an address of the Hub."""
    return hub.is_address(source) or find(str(source)) is not None


def _obtain(source):
    """The file of a published network."""
    if hub.is_address(source):
        return hub.fetch(source)
    from r3d_jax.weights.zoo import obtain  # what downloads takes a moment to import

    return obtain(find(str(source)))
