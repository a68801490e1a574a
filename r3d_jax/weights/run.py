"""The folder of a run: claimed by training, saved by a script, loaded and gone on from."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flax.traverse_util import flatten_dict

from r3d_jax import config as configs
from r3d_jax.class_names import check_class_names
from r3d_jax.config import Config
from r3d_jax.errors import InputError
from r3d_jax.models.classifier import Classifier, abstract_variables
from r3d_jax.video.clips import ClipSpec, check_clip
from r3d_jax.weights.integrity import check_numbers
from r3d_jax.weights.run_files import (
    CLASSES,
    CONFIG,
    NETWORK,
    description_of,
    fixed_settings,
    read_classes,
    read_clip,
    read_config,
    read_network,
    write,
)
from r3d_jax.weights.trained import TrainedNetwork

CHECKPOINTS = "checkpoints"


def claim(run: Path, config: Config, class_names: tuple[str, ...], model: Classifier) -> list[str]:
    """Writes the description of a run into its folder, unless there is one already that it contradicts.

    Args:
      run: the folder; it is made where there is none.
      config: all settings; those in `config.FREE` may differ from what the run was started with.
      class_names: in the order of the head's classes.
      model: the network.

    Returns:
      A line for each setting that differs from what the run was started with, and may.

    Raises:
      InputError: the folder holds a run with other settings or classes, or one that a script has saved.
    """
    lines = []
    if (run / CONFIG).exists():
        changed = configs.changed(read_config(run), config)
        fixed = {name: changed[name] for name in fixed_settings(config) if name in changed}
        if fixed:
            listing = "".join(f"\n  {name}: {before!r} there, {now!r} now" for name, (before, now) in fixed.items())
            raise InputError(
                f"{run} holds a run with another configuration:{listing}\n"
                "use another `workdir`, or the values that the run was started with"
            )
        lines = [f"{name}: {before!r} when the run was started, {now!r} now" for name, (before, now) in changed.items()]
    _check_same_classes(run, class_names)
    write(run, dataclasses.asdict(config), class_names, model)
    return lines


def save(path: str | Path, model: Classifier, state: Any, class_names: Sequence[str], clip: ClipSpec) -> None:
    """Saves what a script trains as a run's folder, which `load`, `restore` and every command take.

    Called again with a later state, it adds a checkpoint; the last two are kept. For example:

        r3d_jax.save("runs/mine", model, state, videos.class_names, clip)
        network = r3d_jax.load("runs/mine")
        state = r3d_jax.restore("runs/mine", r3d_jax.init_state(model, tx, clip=clip))

    Args:
      path: the folder; it is made where there is none.
      model: the network.
      state: a `TrainState`, of any optimiser; `state.step` tells checkpoints apart.
      class_names: in the order of the (first) head's classes.
      clip: what the network is trained and to be tested on.

    Raises:
      InputError: not one name for each class; values of `clip` that do not go together; the folder holds a run of
        another network, other classes or other clips, or a checkpoint that is as late as `state`, or later.
    """
    from r3d_jax.weights.checkpoint import Checkpoints  # Orbax takes a second to import

    run, class_names = Path(path).expanduser(), tuple(class_names)
    check_class_names(class_names, "`class_names`")
    if (count := model.heads[0].num_classes) != len(class_names):
        raise InputError(f"`class_names` has {len(class_names)} names, but the head has {count} classes")
    check_clip(clip)
    if (run / CONFIG).exists():
        _check_same_classes(run, class_names)
        if read_network(run) != model or read_clip(run) != clip:
            raise InputError(f"{run} holds a run of another network, or with another `clip`; name another folder")
    else:
        write(run, {"clip": dataclasses.asdict(clip)}, class_names, model)
    with Checkpoints(run / CHECKPOINTS, description_of(run)) as checkpoints:
        newest, step = checkpoints.newest(), int(state.step)
        if newest is not None and step <= newest:  # Orbax would leave it out and say nothing
            raise InputError(
                f"{run} has a checkpoint of step {newest} already, and this state is of step {step}; save a later one, "
                "or name another folder"
            )
        checkpoints.save(state)


def restore(path: str | Path, state: Any) -> Any:
    """The newest state that `save` or a training run has left in a run's folder, to go on training from, bit for bit.

    For example, `state = restore("runs/mine", init_state(model, tx, clip=clip))`.

    Args:
      path: the folder.
      state: a `TrainState` of the same network and optimiser, such as `init_state` gives. Its shapes, types and devices
        are taken, its values are not.

    Raises:
      InputError: no checkpoint there, none that can be read, one of another network or optimiser, or one that was saved
        when the folder's files said something else.
    """
    from r3d_jax.weights.checkpoint import Checkpoints

    run = Path(path).expanduser()
    if not has_begun(run):
        raise InputError(f"no checkpoint of a run in {run}; name the folder that `save` or a training run has made")
    with Checkpoints(run / CHECKPOINTS, description_of(run)) as checkpoints:
        return checkpoints.restore(state)


def has_begun(run: Path) -> bool:
    """Whether the folder `run` holds a checkpoint to go on from."""
    return any(path.name.isdigit() for path in (run / CHECKPOINTS / "last").glob("*"))


def load_run(run: Path, checkpoint: str = "last") -> TrainedNetwork:
    """The network of a run's folder, with the weights of a checkpoint.

    Args:
      run: the folder.
      checkpoint: "last", or "best": the one with the highest video-level accuracy, of several labels the highest mean
        average precision, of the tests during training.

    Raises:
      InputError: no run there, one without such a checkpoint, class names that are not the head's, weights that are not
        finite, or files of the folder that say something else than when the checkpoint was saved.
    """
    from r3d_jax.weights.checkpoint import KEPT, restore_variables

    if checkpoint not in KEPT:
        raise InputError(f"`checkpoint` (={checkpoint!r}) must be one of {', '.join(KEPT)}")
    if missing := [name for name in (CONFIG, CLASSES, NETWORK) if not (run / name).exists()]:
        raise InputError(f"no run in {run}: it has no {' and no '.join(missing)}; name a folder that training has made")
    class_names, model, clip = read_classes(run), read_network(run), read_clip(run)
    if (count := model.heads[0].num_classes) != len(class_names):
        raise InputError(
            f"{run / CLASSES} names {len(class_names)} classes, but the head has {count}; it needs one line for each, "
            "as training has written it"
        )
    variables = restore_variables(run / CHECKPOINTS, abstract_variables(model), checkpoint, description_of(run))
    if variables is None:
        raise InputError(f"the run in {run} has no {checkpoint} checkpoint yet; train it first")
    check_numbers(flatten_dict(variables, sep="/"), run / CHECKPOINTS / checkpoint)
    return TrainedNetwork(model, variables, class_names, clip)


def _check_same_classes(run, class_names):
    if (run / CLASSES).exists() and (there := read_classes(run)) != class_names:
        raise InputError(
            f"{run} holds a run with other classes ({len(there)} there, {len(class_names)} now; see {run / CLASSES}); "
            "use another folder, or the data it was started with"
        )
