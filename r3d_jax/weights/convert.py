"""Weights of PyTorch networks, published ones and our runs, as one file that both JAX and PyTorch can use."""

import json
from pathlib import Path

from r3d_jax.class_names import check_class_names, names_in
from r3d_jax.errors import InputError
from r3d_jax.models.cost import parameters
from r3d_jax.weights.converted import read_tensors, write
from r3d_jax.weights.integrity import check_numbers
from r3d_jax.weights.labels import LABELS, labels
from r3d_jax.weights.load import is_published, load
from r3d_jax.weights.pth import read_pth
from r3d_jax.weights.published import find
from r3d_jax.weights.recognise import recognise, state_dict_of
from r3d_jax.weights.torch_names import TORCHVISIONS, from_torch, naming_of, usual_naming
from r3d_jax.weights.trained import TrainedNetwork
from r3d_jax.weights.usual import changed, usual_clip, usual_pixels


def convert(
    source: Path,
    out: Path,
    *,
    model: str = "",
    classes: Path | None = None,
    mean: tuple[float, ...] = (),
    std: tuple[float, ...] = (),
    frames: int = 0,
    crop: int = 0,
    stride: int = 0,
    test_size: int = 0,
    checkpoint: str = "last",
    names: str = "",
) -> list[str]:
    """Writes a network of another project, or of a run, as a file for `load` that PyTorch reads too.

    For example:

        convert(Path("r3d_18-b3b3357e.pth"), Path("r3d_18.safetensors"))  # torchvision's
        network = r3d_jax.load("r3d_18.safetensors")

    Args:
      source: a file of PyTorch or safetensors from one of the projects in `torch_names.NAMINGS`, a run's folder, a
        converted network, or a published one by its name.
      out: the file, called *.safetensors.
      model: a preset, or a ClassyVision configuration (.json); empty: what `source` says or what alone fits it.
      classes: a file with one class name a line, in the order of the head's rows; or a data set of LABELS.
      mean, std: of the pixels over 255, for each channel; empty: what `source` says, or its origin's usual.
      frames, crop, stride, test_size: of the clips, as in `ClipSpec`; 0: what `source` says, or its origin's usual.
      checkpoint: of a run: "last" or "best".
      names: whose the names of the tensors written are: one of `torch_names.NAMINGS` but "torchvision_2d"; empty: those
        of `source`, or of the project that has the network, torchvision's or ClassyVision's if they have it.

    Returns:
      Lines that tell what was found and what was written.

    Raises:
      InputError: nothing at `source` or nothing that can be read; tensors that are not the network's, all named at
        once; values or class names that do not fit the network; another kind of name for `out`, or a file there; a
        published network that cannot be downloaded.
      OSError: the folder of `out` cannot be written to.
    """
    if out.suffix != ".safetensors":
        raise InputError(f"{out} must be called *.safetensors, which is what it will be")
    numbers = {"frames": frames, "crop": crop, "stride": stride, "test_size": test_size}
    if below := [f"`{name}` (={value})" for name, value in numbers.items() if value < 0]:
        raise InputError(f"{', '.join(below)} must be at least 1, or 0 for what the network brings")
    network, origin, naming = _read(source, model, checkpoint)
    pixels = _pixels(network.model, mean, std)
    given = {name: value for name, value in numbers.items() if value}
    network = network._replace(
        model=network.model.clone(**pixels),
        class_names=_class_names(classes, network),
        clip=changed(network.clip, given),
    )
    names = names or naming or usual_naming(network.model)
    write(out, network, names)
    size = out.stat().st_size / 2**20
    return [f"{source}: {origin}", *_describe(network), f"{out}: {size:,.1f} MiB, tensors under {names}'s names"]


def _read(source, model, checkpoint):
    """(network, what it was found to be, whose names it keeps or "" for the usual ones)."""
    if not source.exists() and is_published(source):
        published = find(str(source))
        origin = f"published by {published.source}" if published else "a network of the Hugging Face Hub"
        return load(source), origin, ""
    if not source.exists():
        raise InputError(f"no file and no run at {source}, and no published network of that name")
    if source.is_dir():
        return load(source, checkpoint), f"a run, its {checkpoint} checkpoint", ""
    if source.suffix == ".safetensors":
        content, header = read_tensors(source)
        if header is not None:
            return load(source), "a converted network", ""
    else:
        content = read_pth(source)
    tensors, config = state_dict_of(content)
    if model.endswith(".json"):
        model, config = "", _read_config(Path(model))
    naming = naming_of(tensors)
    network, found = recognise(tensors, naming, model, config)
    network = network.clone(**usual_pixels(naming, tensors))
    check_numbers(tensors, source)
    clip = usual_clip(naming, network.trunk, config or {})
    kept = "" if naming.startswith(("classyvision", "torchvision")) else naming
    return TrainedNetwork(network, from_torch(tensors, network), (), clip), f"{naming}'s names, {found}", kept


def _pixels(model, mean, std):
    pixels, channels = {"mean": mean or model.mean, "std": std or model.std}, model.trunk.input_planes
    if any(len(values) != channels for values in pixels.values()):
        given = " and ".join(f"`{name}` (={values})" for name, values in pixels.items())
        raise InputError(f"{given} must have one value for each of {channels} channels")
    return pixels


def _read_config(path):
    try:
        config = json.loads(path.read_text())
        return config.get("model", config)
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is no ClassyVision configuration that can be read ({error})") from error


def _class_names(path, network):
    count = network.model.heads[0].num_classes
    if path is None:
        kinetics = count == 400 and network.model.trunk in TORCHVISIONS
        return network.class_names or (labels("kinetics400") if kinetics else _numbers(count))
    if not path.exists() and str(path) in LABELS:
        names = labels(str(path))
    else:
        names = tuple(line.strip() for line in names_in(path.read_text(encoding="utf-8")) if line.strip())
        check_class_names(names, path)
    if len(names) != count:
        raise InputError(f"{path} names {len(names)} classes, but the head has {count}; it needs one line for each")
    return names


def _numbers(count):
    return tuple(map(str, range(count)))


def _describe(network):
    count = len(network.class_names)
    nameless = network.class_names == _numbers(count)
    names = (
        "numbered; a file of `classes` names them"
        if nameless
        else f"{network.class_names[0]} ... {network.class_names[-1]}"
    )
    clip, (time, height, width, _) = network.clip, network.clip.shape
    return [
        f"{parameters(network.model):,} parameters; {count} classes ({names})",
        f"clips {time}x{height}x{width}, frame stride {clip.stride}, tested at short edge {clip.test_size}; "
        f"mean {network.model.mean}, std {network.model.std}",
    ]
