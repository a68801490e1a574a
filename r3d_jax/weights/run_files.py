"""The files in which the folder of a run says what it is of: its configuration, class names and network."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from r3d_jax import config as configs
from r3d_jax.class_names import names_in
from r3d_jax.config import Config
from r3d_jax.config_check import check
from r3d_jax.errors import InputError
from r3d_jax.files import write_text
from r3d_jax.models.classifier import Classifier
from r3d_jax.models.description import from_dict, to_dict
from r3d_jax.video.clips import ClipSpec, check_clip

CONFIG, CLASSES, NETWORK = "config.json", "classes.txt", "network.json"


def write(run: Path, config: dict[str, Any], class_names: tuple[str, ...], model: Classifier) -> None:
    """Writes the files of a run, each whole or not at all; those that are there are replaced.

    Args:
      run: the folder; it is made where there is none.
      config: {section: {field: value}}: every section of `Config`, or `clip` alone of what a script has saved.
      class_names: in the order of the (first) head's classes.
      model: the network.

    Raises:
      OSError: the folder cannot be made or written to.
    """
    write_text(run / CONFIG, json.dumps(config, indent=2) + "\n")
    write_text(run / CLASSES, "".join(f"{name}\n" for name in class_names))
    write_text(run / NETWORK, json.dumps(to_dict(model), indent=2) + "\n")


def read_config(run: Path) -> Config:
    """The configuration that a run was started with; a field that an earlier version did not have takes its default.

    Raises:
      InputError: no configuration of a run of this version in the folder `run`, or a folder of `save`, which has none.
    """
    sections, config = _read_sections(run), Config()
    if sections.keys() == {"clip"}:
        raise InputError(
            f"{run} was saved by a script, which alone knows its data and its optimiser: go on there with "
            "r3d_jax.restore, or start another run from it with `finetune.source`"
        )
    for section, fields in sections.items():
        _fill(getattr(config, section), fields, run)
    _check(run, check, config, 1)  # of any number of devices: what cannot work on one works on none
    return config


def saved_by_script(run: Path) -> bool:
    """Whether `save` has made the folder `run`, which then says nothing of data and optimiser.

    Raises:
      InputError: no configuration of a run of this version.
    """
    return _read_sections(run).keys() == {"clip"}


def read_clip(run: Path) -> ClipSpec:
    """What the network of the run in the folder `run` sees of a video, in training and in testing.

    Raises:
      InputError: no configuration of a run of this version.
    """
    clip = ClipSpec()
    _fill(clip, _read_sections(run)["clip"], run)
    _check(run, check_clip, clip)
    return clip


def read_classes(run: Path) -> tuple[str, ...]:
    """The class names of the run in the folder `run`, in the order of its (first) head's classes.

    Raises:
      InputError: there are none, or none that can be read.
    """
    try:
        return names_in((run / CLASSES).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # no file, or no UTF-8
        raise InputError(
            f"{run / CLASSES} cannot be read ({error}); put it back as training or `save` has written it"
        ) from error


def read_network(run: Path) -> Classifier:
    """The network that the folder `run` of a run describes, without its weights.

    Raises:
      InputError: no description, or one that cannot be read.
    """
    path = run / NETWORK
    try:
        return from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:  # no file, no JSON, or a description that this version does not know
        raise InputError(f"{path} cannot be read: {error}") from error


def description_of(run: Path) -> dict[str, Any]:
    """What the files of a run say and may not change while it lasts, {"FILE: what": value}, as JSON can carry it.

    For example, {"config.json: clip.frames": 8, "classes.txt: line 1": "ride", "network.json: trunk.planes": 64}.
    Settings that may differ when the run is resumed are left out.

    Raises:
      InputError: a file is missing or damaged.
    """
    sections = _read_sections(run)
    free = _free(sections.get("optim", {}).get("schedule", "multistep"))
    settings = {name: value for name, value in _flat(sections).items() if name not in free}
    lines = {f"line {number}": name for number, name in enumerate(read_classes(run), start=1)}
    files = {CONFIG: settings, CLASSES: lines, NETWORK: _flat(to_dict(read_network(run)))}
    return {f"{file}: {name}": value for file, content in files.items() for name, value in content.items()}


def fixed_settings(config: Config) -> dict[str, Any]:
    """{"section.field": value} of the settings that may not differ when a run is resumed."""
    free = _free(config.optim.schedule)
    return {name: value for name, value in configs.flatten(config).items() if name not in free}


def _free(schedule):
    """Names of the settings that may differ."""
    free = set(configs.FREE)
    if schedule != "multistep":
        free.remove("train.epochs")  # on which the learning rate of every step depends
    return free


def _flat(tree, prefix=""):
    """{"trunk.planes": value, "heads.0.pool": value} of nested dicts, and of lists of dicts."""
    if isinstance(tree, list) and tree and all(isinstance(each, dict) for each in tree):
        tree = dict(enumerate(tree))
    if not isinstance(tree, dict):
        return {prefix.removesuffix("."): tree}
    return {name: value for key, below in tree.items() for name, value in _flat(below, f"{prefix}{key}.").items()}


def _read_sections(run):
    """{section: {field: value}} by the names that fields have now, nothing checked but that."""
    try:
        sections = json.loads((run / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _no_configuration(run, error) from error
    if not isinstance(sections, dict) or not all(isinstance(fields, dict) for fields in sections.values()):
        raise _no_configuration(run, "it must be sections of settings")
    known = [section.name for section in dataclasses.fields(Config)]
    if unknown := sections.keys() - set(known):
        raise _no_configuration(run, f"no section {min(unknown)!r}; there are {', '.join(known)}")
    if "clip" not in sections:
        raise _no_configuration(run, "it lacks the section 'clip'")
    for old, new in configs.RENAMED.items():
        section, field = old.split(".")
        if field in sections.get(section, {}):
            sections[section][new.split(".")[1]] = sections[section].pop(field)
    return sections


def _fill(section, fields, run):
    try:
        for name, value in fields.items():
            setattr(section, name, tuple(value) if isinstance(value, list) else value)
    except AttributeError as error:
        raise _no_configuration(run, error) from error


def _check(run, check, *values):
    """Holds what was read against the rules of a configuration."""
    try:
        check(*values)
    except InputError as error:
        raise InputError(f"{run / CONFIG}: {error}; put it back as training or `save` has written it") from error


def _no_configuration(run, error):
    return InputError(
        f"{run / CONFIG} is not the configuration of a run of this version ({error}); put it back as training or "
        "`save` has written it"
    )
