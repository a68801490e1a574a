"""Converted networks on the Hugging Face Hub: `hf://OWNER/NAME`, by the optional package huggingface_hub."""

import re
from pathlib import Path

from r3d_jax.errors import InputError
from r3d_jax.models.cost import parameters
from r3d_jax.weights.published import Published
from r3d_jax.weights.trained import TrainedNetwork

FILE = "model.safetensors"  # of each repository there
_ADDRESS = re.compile(r"hf://?([\w.-]+/[\w.-]+)/?")  # as a `Path`, it has one slash


def is_address(source: str | Path) -> bool:
    """Whether `source` is meant to be a network of the Hugging Face Hub: it begins with `hf://`."""
    return str(source).startswith("hf:/")


def check(address: str | Path) -> None:
    """Refuses what `push` would refuse in the end: something that is no address, or a package that is missing.

    Raises:
      InputError: one of these.
    """
    _name(address)
    _package()


def fetch(address: str | Path) -> Path:
    """The converted file of a network on the Hub, in the cache of huggingface_hub; the first call downloads it.

    Args:
      address: as `hf://OWNER/NAME`.

    Raises:
      InputError: no such address, package, repository or network, or nothing in the cache and no network.
    """
    name, hub = _name(address), _package()
    try:
        return Path(hub.hf_hub_download(name, FILE))
    except (hub.errors.HTTPError, hub.errors.LocalEntryNotFoundError, hub.errors.HFValidationError) as error:
        raise InputError(f"hf://{name} cannot be loaded: {_first_line(error)}") from error


def push(address: str | Path, file: Path, network: TrainedNetwork, published: Published | None = None) -> str:
    """Publishes a converted network on the Hub, with a page that describes it; a line that says where it is.

    The repository is made where there is none; what is there already gets a new version.

    Args:
      address: as `hf://OWNER/NAME`.
      file: of `convert`.
      network: that is in it.
      published: whose weights these are, where another project has published them.

    Raises:
      InputError: no such address or package, or the Hub refuses it.
    """
    name, hub = _name(address), _package()
    files = {"README.md": model_card(f"hf://{name}", network, published).encode(), FILE: str(file)}
    try:
        api = hub.HfApi()
        api.create_repo(name, exist_ok=True)
        added = [hub.CommitOperationAdd(path_in_repo=path, path_or_fileobj=content) for path, content in files.items()]
        api.create_commit(name, added, commit_message="Add the network and its description")
    except (hub.errors.HTTPError, hub.errors.HFValidationError, hub.errors.LocalTokenNotFoundError) as error:
        raise InputError(
            f"hf://{name} cannot be published: {_first_line(error)}; log in with `hf auth login`, or set HF_TOKEN"
        ) from error
    return f"hf://{name}: published, with a description"


def model_card(address: str, network: TrainedNetwork, published: Published | None = None) -> str:
    """The page of a network on the Hub, in Markdown: what it is, what it sees, how it is loaded, whose it is.

    Args:
      address: that it is loaded from.
      published: whose weights these are, where another project has published them.
    """
    clip, model = network.clip, network.model
    licence = [f"license: {published.licence.lower()}"] if published else []
    head = ["---", "library_name: r3d_jax", "pipeline_tag: video-classification", *licence, "---"]
    whose = ["Licence and source of the weights are not stated."]
    if published:
        top1 = "" if published.top1 is None else f" Its publisher tells a top-1 accuracy of {published.top1:.2f} %."
        whose = [
            f"Weights of {published.source} ({published.licence}), converted from <{published.url}>.{top1}",
            *([f"Note: {published.note}."] if published.note else []),
        ]
    rate = f" at {clip.frame_rate:g} frames a second" if clip.frame_rate else ""
    classes = "\n".join(f"{i}. {label}" for i, label in enumerate(network.class_names))
    return "\n".join(
        [
            *head,
            f"\n# {address.rpartition('/')[2]}\n",
            f"A video classification network: {parameters(model):,} parameters, {len(network.class_names)} classes.\n",
            "```python\nimport r3d_jax\n",
            f'network = r3d_jax.load("{address}")',
            'predictions = list(r3d_jax.predict(network, ["video.mp4"]))\n```\n',
            f"- Clips: {clip.frames} frames at stride {clip.stride}{rate}; squares of {clip.crop} pixels in training,",
            f"  short edge {clip.test_size} in testing; {clip.views} views of a video, {clip.crops} crops of each",
            f"- Pixels over 255: mean {model.mean}, standard deviation {model.std}",
            f"- The file `{FILE}` is a PyTorch state dict; its header says what the network is\n",
            *whose,
            f"\n## Classes\n\n{classes}\n",
        ]
    )


def _name(address):
    if not (found := _ADDRESS.fullmatch(str(address))):
        raise InputError(f"{str(address)!r} is no address of the Hugging Face Hub; write hf://OWNER/NAME")
    return found[1]


def _package():
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError as error:
        raise InputError("hf:// takes the package huggingface_hub: pip install huggingface_hub") from error
    return huggingface_hub


def _first_line(error):
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
