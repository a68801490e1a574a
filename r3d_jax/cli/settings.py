"""From a configuration file, a run's folder and the command line to one configuration."""

import re
import runpy
import traceback
from dataclasses import replace
from pathlib import Path

from absl import flags
from ml_collections import config_flags

from r3d_jax.config import RENAMED, ClipSpec, Config, check_field
from r3d_jax.errors import InputError
from r3d_jax.weights.load import load
from r3d_jax.weights.run_files import CONFIG, read_clip, read_config, saved_by_script

PLACES = ("source", "splits", "data_dir")  # where a run's videos are, which its folder knows


def configure(file: Path | None, workdir: Path | None, settings: list[str], mode: str) -> tuple[Path, Config]:
    """The run's folder, and the configuration that its files and the command line amount to.

    The configuration is the file's. Where there is no file, and where an existing run is evaluated, it is the run's
    own: the file may have changed since. Where the file leaves its clip to the source, and where a network that has no
    run here is evaluated, the clip is that of `finetune.source`. What the command line names comes on top.

    Args:
      file: Python file with a `get_config()`, as in configs/; None: the configuration of the run in `workdir`.
      workdir: folder of the run; None: runs/NAME, after the file's name.
      settings: arguments `--config.SECTION.FIELD=VALUE`, or with the value as the next argument.
      mode: "train", "clips" or "evaluate".

    Raises:
      InputError: an argument that is no setting, a value of another type, or a file or folder that gives no
        configuration.
    """
    overrides = _overrides(settings)
    if file is None and workdir is None:
        raise InputError("name a configuration (--config FILE) or the folder of a run (--workdir RUN)")
    config = _read_file(file) if file else None
    workdir = workdir or Path("runs") / file.stem
    exists = (workdir / CONFIG).exists()
    if config is None and not exists:
        raise InputError(f"no run in {workdir}; name its configuration too (--config FILE), or another folder")
    if exists and saved_by_script(workdir):
        if config is None:
            raise InputError(f"{workdir} was saved by a script: name the data with --config FILE")
        if mode == "evaluate":
            config.clip = read_clip(workdir)
    elif exists and (config is None or mode == "evaluate"):
        config = read_config(workdir)
    elif exists:
        _take_places(config, read_config(workdir))
    if config.clip is None and exists:
        config.clip = read_clip(workdir)  # the source may be gone
    elif config.clip is None or (mode == "evaluate" and not exists):
        config.clip = _clip_of_source(config, overrides)
    return workdir, _override(config, overrides)


def _clip_of_source(config, overrides):
    """The clip of the network that the settings name as their source; without one, the file's own."""
    finetune = _override(replace(config, clip=config.clip or ClipSpec()), overrides).finetune
    if finetune.source:
        return load(finetune.source, finetune.checkpoint).clip
    if config.clip is None:
        raise InputError("the configuration leaves its clip to the network that it fine-tunes; set `finetune.source`")
    return config.clip


def _take_places(config, there):
    """A file does not know where the run's videos are, unless it says so."""
    for field in PLACES:
        if getattr(config.data, field) == getattr(Config().data, field):
            setattr(config.data, field, getattr(there.data, field))


def _overrides(settings):
    """Arguments as `--config.SECTION.FIELD=VALUE`, also where the value stood by itself."""
    found = []
    for argument in settings:
        if field := re.match(r"--?(?:no)?config\.([\w.]+)", argument):
            check_field(field[1])
            found.append(argument)
        elif found and "=" not in found[-1] and not argument.startswith("--"):
            found[-1] += f"={argument}"
        else:
            raise InputError(f"unknown argument {argument!r}; settings are given as --config.SECTION.FIELD=VALUE")
    return found


def _override(config, overrides):
    values = flags.FlagValues()  # not the process's own flags, which other libraries use
    arguments = ["r3d_jax", *overrides]
    try:
        config_flags.DEFINE_config_dataclass("config", config, flag_values=values, sys_argv=arguments)
        values(arguments)
    except (flags.Error, AttributeError, TypeError, ValueError) as error:
        raise InputError(str(error).strip()) from error
    return values["config"].value


def _read_file(file):
    if not file.is_file():
        known = ", ".join(str(path) for path in sorted(Path("configs").glob("*.py")))
        raise InputError(f"no config file {str(file)!r}; there are {known or 'none in configs/'}")
    try:
        config = runpy.run_path(str(file))["get_config"]()
    except InputError:
        raise
    except Exception as error:  # whatever goes wrong inside the user's file; the last place of it says enough
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{last.filename}, line {last.lineno}: {last.line}"
        said = str(error)
        now = "".join(f" ({o} is called {n} now)" for o, n in RENAMED.items() if f"'{o.partition('.')[2]}'" in said)
        raise InputError(f"{type(error).__name__} in the config file: {said}{now}\n  {where}") from error
    if not isinstance(config, Config):
        raise InputError("--config must name a file whose get_config() returns a Config, as in configs/")
    return config
