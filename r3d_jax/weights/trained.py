"""A trained network in memory, and the plain facts about it that every kind of file carries."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from r3d_jax.class_names import check_class_names
from r3d_jax.errors import InputError
from r3d_jax.models.classifier import Classifier
from r3d_jax.models.description import from_dict, to_dict
from r3d_jax.video.clips import ClipSpec, check_clip


class TrainedNetwork(NamedTuple):
    """A network with its weights, and what is needed to show it videos; `load` gives one.

    Attributes:
      model: the module, to be called through `predict_fn(variables, clips, model=model)`.
      variables: its `params` and `batch_stats`.
      class_names: one for each column of its (first) head's logits.
      clip: what it sees of a video, in training and in testing.
    """

    model: Classifier
    variables: dict
    class_names: tuple[str, ...]
    clip: ClipSpec

    @property
    def multi_label(self) -> bool:
        """Whether a video may be of several classes or none: the head gives each class a probability of its own."""
        return self.model.heads[0].activation == "sigmoid"


def to_facts(network: TrainedNetwork) -> dict[str, Any]:
    """What files tell of a network besides its variables, as JSON can carry it; `from_facts` reads it.

    Raises:
      InputError: a class name that `check_class_names` refuses.
    """
    clip = network.clip
    check_class_names(network.class_names, "the network")
    return {
        "network": to_dict(network.model),
        "class_names": network.class_names,
        "clip_shape": (*clip.shape[:3], network.model.trunk.input_planes),
        **{name: getattr(clip, name) for name in ("stride", "test_size", "frame_rate", "views", "crops")},
        "train_sizes": clip.train_sizes,
        "flip": clip.flip,
        "test_crop": clip.test_crop,
    }


def from_facts(path: Path, facts: dict[str, Any], variables_of: Callable[[Classifier], dict]) -> TrainedNetwork:
    """The network that `to_facts` has described, in this version or an earlier one.

    Args:
      path: the file that the facts are from, for messages.
      facts: of an earlier version have no `train_sizes` and no `flip`, which then take their usual values.
      variables_of: gives the variables for the network's module.

    Raises:
      KeyError, TypeError: a fact is missing or of another kind.
      InputError: a network that this version does not know; not one name for each class, or one that
        `check_class_names` refuses; a number out of its range, or numbers that do not go together. Nothing of the
        variables has been asked for then.
    """
    try:
        model, clip = from_dict(facts["network"]), _clip(facts)
    except InputError as error:
        raise InputError(f"{path}: {error}; convert or export the network again") from error
    class_names = tuple(facts["class_names"])
    if not all(isinstance(name, str) for name in class_names):
        raise InputError(f"{path}: a class name is no text; convert or export the network again")
    check_class_names(class_names, path)
    if (count := model.heads[0].num_classes) != len(class_names):
        raise InputError(
            f"{path} names {len(class_names)} classes, but its head has {count}; it needs one name for each: "
            "convert or export the network again"
        )
    return TrainedNetwork(model, variables_of(model), class_names, clip)


def _clip(facts):
    if len(shape := facts["clip_shape"]) < 2:
        raise InputError(f"`clip_shape` (={shape}) must be time, height, width and channels")
    frames, crop, *_ = shape
    usual = [max(crop, facts["test_size"])] * 2
    known = {name: facts[name] for name in ("frame_rate", "views", "crops", "flip", "test_crop") if name in facts}
    clip = ClipSpec(
        frames=frames,
        crop=crop,
        stride=facts["stride"],
        test_size=facts["test_size"],
        train_sizes=tuple(facts.get("train_sizes", usual)),
        **known,
    )
    check_clip(clip)
    return clip
