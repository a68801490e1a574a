"""A published network by its name: downloaded, converted once, and kept."""

from pathlib import Path

import numpy as np

from r3d_jax.errors import InputError
from r3d_jax.files import locked
from r3d_jax.models.classifier import Classifier, tuples
from r3d_jax.weights import converted
from r3d_jax.weights.download import cache_folder, fetch, pin, told_of_full_disks
from r3d_jax.weights.integrity import check_numbers
from r3d_jax.weights.pth import read_pth
from r3d_jax.weights.published import Published
from r3d_jax.weights.recognise import recognise, state_dict_of
from r3d_jax.weights.torch_names import from_torch, naming_of
from r3d_jax.weights.trained import TrainedNetwork


def obtain(published: Published) -> Path:
    """The converted file of a published network in the cache folder; the first call downloads and converts it.

    Of several processes that ask for it, one does, and the others wait. The publisher's file is removed once it is
    converted, unless it was put there by hand.

    Raises:
      InputError: it cannot be downloaded, or is not the file that it has to be.
      OSError: the cache folder cannot be written to.
    """
    folder = cache_folder()
    out = folder / f"{published.name}.safetensors"
    if out.exists():
        return out
    with locked(folder / f".{published.name}.lock"):
        if not out.exists():
            file = folder / published.file
            placed = file.exists()
            digest = fetch(published.url, file, published.sha256)
            try:
                network, naming = as_published(read_pth(file), published)
            except InputError as error:
                raise InputError(f"{file} is not {published.name}: {error}\nremove it to download it again") from error
            with told_of_full_disks(out):
                converted.write(out, network, naming)
            pin(file, digest)
            if not placed:
                file.unlink()
    return out


def as_published(content: object, published: Published) -> tuple[TrainedNetwork, str]:
    """The network that a publisher's file holds, as it was tested, and whose names its tensors have.

    Args:
      content: of the file, as `read_pth` gives it.

    Raises:
      InputError: weights of another network, or for another number of classes.
    """
    tensors, _ = state_dict_of(content)
    if published.bgr:  # kernels over pixels: blue first, as if the pixels had been turned round
        pixels = len(published.mean)
        tensors = {
            name: np.flip(value, 1) if value.ndim == 5 and value.shape[1] == pixels else value
            for name, value in tensors.items()
        }
    check_numbers(tensors, Path(published.file))
    naming = naming_of(tensors)
    network, _ = recognise(tensors, naming, published.preset, None)
    if (count := network.heads[0].num_classes) != published.num_classes:
        raise InputError(f"{published.file} has {count} classes, but {published.name} has {published.num_classes}")
    heads = tuple(head.clone(average=published.average, pool=published.pool) for head in network.heads)
    trunk = network.trunk.clone(**{name: tuples(value) for name, value in published.options.items()})
    model = Classifier(trunk, heads, published.mean, published.std)
    return TrainedNetwork(model, from_torch(tensors, model), published.class_names, published.clip), naming
