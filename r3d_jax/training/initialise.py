"""What a run begins with: its network, and its variables, random or those of another network."""

import dataclasses

import jax

from r3d_jax.config import Config
from r3d_jax.errors import InputError
from r3d_jax.models.classifier import Classifier, build, options
from r3d_jax.video.clips import ClipSpec
from r3d_jax.weights.trained import TrainedNetwork


def make_model(config: Config, num_classes: int, source: TrainedNetwork | None) -> Classifier:
    """The configured network; what `config.model` leaves empty is the source's, if there is one.

    Raises:
      InputError: a network that does not exist, or that is not the source's.
    """
    model = config.model
    head = {"block": model.block, "pool": model.pool, "dropout": model.dropout, "average": model.average}
    head["activation"] = "sigmoid" if config.data.multi_label else "softmax"
    sizes = {name: getattr(model, name) for name in ("blocks", "planes", "stem_planes") if getattr(model, name)}
    pixels = {"mean": tuple(model.mean), "std": tuple(model.std)} if model.mean else {}
    if source is None:
        return build(model.name or "r3d_18", num_classes, **head, **pixels, **sizes)
    theirs = source.model
    ours = build(model.name, num_classes, **sizes).trunk if model.name else theirs.trunk.clone(**sizes)
    if differing := _differences(ours, theirs.trunk):
        raise InputError(
            f"`finetune.source` holds another network than `model.name`, `model.blocks`, `model.planes` and "
            f"`model.stem_planes` say: {differing}; leave these empty to take the source's"
        )
    if pixels and (pixels["mean"], pixels["std"]) != (tuple(theirs.mean), tuple(theirs.std)):
        raise InputError(
            f"`finetune.source` was trained with mean {theirs.mean} and std {theirs.std}, but `model.mean` is "
            f"{model.mean} and `model.std` {model.std}; leave these empty to take the source's"
        )
    built = build("r3d_18", num_classes, **head)
    hidden, last = theirs.heads[0].hidden, theirs.trunk.block_names()[-1]
    if config.finetune.probe and hidden and (model.block or last) != (theirs.heads[0].block or last):
        raise InputError(
            f"`model.block` (={model.block}) is not the block that the head of `finetune.source` reads, and the layer "
            f"of {hidden} channels below the linear one would be random; leave it empty"
        )
    heads = (built.heads[0].clone(hidden=hidden),)
    return built.clone(trunk=theirs.trunk, heads=heads, mean=theirs.mean, std=theirs.std)


def take_over(
    fresh: dict, model: Classifier, class_names: tuple[str, ...], source: TrainedNetwork
) -> tuple[dict, list[str]]:
    """Variables to begin with, and lines that say what was loaded, reset and skipped.

    The trunk is the source's; so is the head, where the source has one at the same block for the same classes and with
    the same activation. The layer between pool and linear layer that a head has (`Head.hidden`) is the source's
    whatever the classes.
    """
    loaded = {kind: {**tree, "trunk": source.variables[kind]["trunk"]} for kind, tree in fresh.items()}
    last = model.trunk.block_names()[-1]
    place = model.heads[0].block or last
    places = [head.block or last for head in source.model.heads]
    # Class names are of the source's first head.
    same = places[0] == place and tuple(source.class_names) == tuple(class_names)
    same = same and source.model.heads[0].activation == model.heads[0].activation
    if same:
        loaded["params"]["heads_0"] = source.variables["params"]["heads_0"]
    elif model.heads[0].hidden and places[0] == place:
        hidden = source.variables["params"]["heads_0"]["hidden"]
        loaded["params"]["heads_0"] = {**loaded["params"]["heads_0"], "hidden": hidden}
    skipped = [
        f"{head.unique_id} at {block} ({head.num_classes} classes)"
        for i, (head, block) in enumerate(zip(source.model.heads, places))
        if not (same and i == 0)
    ]
    counts = [len(jax.tree.leaves(source.variables[kind]["trunk"])) for kind in ("params", "batch_stats")]
    head = f"the head ({len(class_names)} classes at {place})"
    return loaded, [
        f"loaded: the trunk ({counts[0]} parameters, {counts[1]} batch statistics){f', {head}' if same else ''}",
        f"reset: {'nothing' if same else head}",
        f"skipped: {', '.join(skipped) or 'nothing'}",
    ]


def compare_clips(ours: ClipSpec, theirs: ClipSpec) -> str:
    """A line that says which of the clip's settings are those of the network that a run begins with, and which not."""
    here, there = dataclasses.asdict(ours), dataclasses.asdict(theirs)
    taken = ", ".join(f"{name} {value}" for name, value in here.items() if value == there[name])
    other = ", ".join(
        f"{name} {there[name]} there and {value} here" for name, value in here.items() if value != there[name]
    )
    return f"clip as there: {taken or 'nothing'}; otherwise: {other or 'nothing'}"


def warn_of_clips(ours: ClipSpec, theirs: ClipSpec) -> str:
    """What to say where a run shows its network other clips than it has learned from, views and crops aside; or ""."""
    names = ("frames", "stride", "frame_rate", "train_sizes", "crop", "test_size")
    pairs = {name: (getattr(theirs, name), getattr(ours, name)) for name in names}
    other = ", ".join(f"`clip.{name}` {there} there and {here} here" for name, (there, here) in pairs.items()
                      if there != here)  # fmt: skip
    return other and (
        f"CAUTION: the network has learned from other clips than this run shows it: {other}. It is best at its own, "
        "which a configuration with clip=None takes, as configs/finetune.py does"
    )


def _differences(ours, theirs):
    if type(ours) is not type(theirs):
        return f"{type(theirs).__name__} there and {type(ours).__name__} here"
    there = options(theirs)
    differing = {name: here for name, here in options(ours).items() if here != there[name]}
    return ", ".join(f"{name} {there[name]} there and {here} here" for name, here in differing.items())
