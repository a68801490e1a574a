"""The networks that other projects have published, as plain facts: zoo.json says where their files are."""

import json
from importlib import resources
from typing import Any, NamedTuple

from r3d_jax.video.clips import ClipSpec
from r3d_jax.weights.labels import labels


class Published(NamedTuple):
    """A network that another project has published with its weights; `load(name)` downloads it.

    Attributes:
      name: that `load` and every command take in place of a file.
      preset: the network without its weights, as `build` knows it; with `options`, if there are any.
      source: the project that has published the file.
      licence: of that project; none is told for the weights apart, and the data behind them may have terms of its own.
      url: of the file.
      sha256: the first digits of the file's SHA-256, where its publisher tells them.
      classes: the data set whose classes it tells apart; empty: its publisher tells no names, and they are numbered.
      num_classes: how many.
      top1: video-level accuracy in per cent that the publisher has measured; None: not told.
      clip: what the publisher tests it on.
      mean, std: of the pixels over 255.
      average: what is averaged over cells and views, as `Head.average` has it.
      parameters: trained values; times four, about the bytes of the file.
      multiply_adds: of one test view, as `cost` counts them: a square of edge `clip.test_crop`, or of `clip.test_size`
        where that is 0.
      pool: kernel of the head's pool, in cells (time, height, width): a larger view gives several; None: all of them.
      file: what the file is called in the cache and at a mirror.
      options: of the trunk, in place of the preset's.
      bgr: whether the published weights expect blue first; those that `load` gives take RGB, as all do.
      note: what else has to be known before its accuracy is believed.
    """

    name: str
    preset: str
    source: str
    licence: str
    url: str
    sha256: str
    classes: str
    num_classes: int
    top1: float | None
    clip: ClipSpec
    mean: tuple[float, ...]
    std: tuple[float, ...]
    average: str
    parameters: int
    multiply_adds: int
    file: str
    pool: tuple[int, int, int] | None = None
    options: dict[str, Any] = {}
    bgr: bool = False
    note: str = ""

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name for each class, in the order of the logits."""
        return labels(self.classes) if self.classes else tuple(map(str, range(self.num_classes)))

    @property
    def view(self) -> tuple[int, int, int]:
        """The axes (time, height, width) of the view that `multiply_adds` are counted for."""
        edge = self.clip.test_crop or self.clip.test_size
        return self.clip.frames, edge, edge


def list_models() -> tuple[Published, ...]:
    """The published networks that can be loaded by their names; `python -m r3d_jax models` prints them.

    For example, `[each.name for each in list_models() if each.classes == "kinetics400"]`. The names that `build` takes
    are those of `list_presets`.
    """
    return _read()


def find(name: str) -> Published | None:
    """The published network of that name, or None."""
    return next((each for each in list_models() if each.name == name), None)


def _read():
    entries = json.loads(resources.files("r3d_jax.weights").joinpath("zoo.json").read_text())
    return tuple(map(_published, entries))


def _published(entry):
    clip = {key: tuple(value) if isinstance(value, list) else value for key, value in entry["clip"].items()}
    pixels = {name: tuple(entry[name]) for name in ("mean", "std")}
    usual = {"file": entry["url"].rpartition("/")[2]}
    pool = {"pool": tuple(entry["pool"]) if "pool" in entry else None}
    return Published(**usual | entry | pixels | pool | {"clip": ClipSpec(**clip)})
