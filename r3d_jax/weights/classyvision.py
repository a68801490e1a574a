"""A network from the model section of a ClassyVision configuration (`resnext3d`)."""

from typing import Any

from r3d_jax.errors import InputError
from r3d_jax.models.classifier import Classifier, tuples
from r3d_jax.models.head import Head
from r3d_jax.models.resnet3d import ResNet3D

_TRUNK = {  # theirs -> ours
    "num_blocks": "blocks",
    "stage_planes": "planes",
    "residual_transformation_type": "residual",
    "skip_transformation_type": "shortcut",
    "stem_name": "stem",
    "stem_planes": "stem_planes",
    "stem_maxpool": "stem_maxpool",
    "stage_temporal_kernel_basis": "temporal_kernels",
    "temporal_conv_1x1": "temporal_conv_1x1",
    "stage_temporal_stride": "temporal_strides",
    "stage_spatial_stride": "spatial_strides",
    "num_groups": "groups",
    "width_per_group": "width_per_group",
    "zero_init_residual_transform": "zero_init",
    "input_planes": "input_planes",
}
_STEM_KERNEL = ("stem_temporal_kernel", "stem_spatial_kernel")
_WITHOUT_EFFECT = ("name", "clip_crop_size", "frames_per_clip", "input_key", "num_classes", "freeze_trunk")
_HEAD = {
    "num_classes": "num_classes",
    "fork_block": "block",
    "pool_size": "pool",
    "activation_func": "activation",
    "unique_id": "unique_id",
}
_DROPOUT = ("use_dropout", "dropout_ratio")
_DEFAULTS = {"stage_planes": 256, "stage_temporal_kernel_basis": [[3]] * 4, "temporal_conv_1x1": [False] * 4}
_DEFAULTS |= {"stage_temporal_stride": [1, 2, 2, 2], "stage_spatial_stride": [1, 2, 2, 2]}


def from_classyvision(config: dict[str, Any]) -> Classifier:
    """The network of a ClassyVision configuration's `model`, averaging probabilities over cells as ClassyVision does.

    Basic blocks keep their temporal kernel of 3 whatever `stage_temporal_kernel_basis` says, as in ClassyVision. For
    example, `from_classyvision(json.load(file)["model"])`.

    Args:
      config: of a `resnext3d`, with ClassyVision's own names of options.

    Raises:
      InputError: an option that ClassyVision does not have or that is missing; a head of another kind.
    """
    _check(config, {*_TRUNK, *_STEM_KERNEL, *_WITHOUT_EFFECT, "heads"}, "the model")
    for name in ("num_blocks", "residual_transformation_type", "skip_transformation_type", "heads"):
        if not config.get(name):
            raise InputError(f"the model of this ClassyVision configuration lacks {name!r}")
    given = _DEFAULTS | config
    stages = len(given["num_blocks"])
    if given["residual_transformation_type"].startswith("basic"):
        given |= {name: _DEFAULTS[name] for name in ("stage_temporal_kernel_basis", "temporal_conv_1x1")}
        if stages > 4:
            given |= {"stage_temporal_kernel_basis": [[3]] * stages, "temporal_conv_1x1": [False] * stages}
    options = {ours: tuples(given[theirs]) for theirs, ours in _TRUNK.items() if theirs in given}
    for name in ("temporal_kernels", "temporal_conv_1x1", "temporal_strides", "spatial_strides"):
        options[name] = options[name][:stages]
    for name, end in (("residual", "_transformation"), ("shortcut", "_shortcut"), ("stem", "_stem")):
        if name in options:
            options[name] = options[name].removesuffix(end)
    kernel = tuple(given.get(name, default) for name, default in zip(_STEM_KERNEL, (3, 7)))
    return Classifier(ResNet3D(stem_kernel=kernel, **options), tuple(map(_head, config["heads"])))


def _head(config):
    kind = config.get("name", "fully_convolutional_linear")
    if kind != "fully_convolutional_linear":
        raise InputError(f"a head {kind!r} cannot be converted; only 'fully_convolutional_linear' can")
    _check(config, {*_HEAD, *_DROPOUT, "name", "in_plane"}, "a head")
    options = {ours: tuples(config[theirs]) for theirs, ours in _HEAD.items() if config.get(theirs) is not None}
    if "num_classes" not in options:
        raise InputError("a head of this ClassyVision configuration lacks 'num_classes'")
    dropout = config.get("dropout_ratio", 0.5) if config.get("use_dropout") else 0.0
    return Head(dropout=dropout, average="probabilities", **options)


def _check(config, known, what):
    if unknown := sorted(config.keys() - known):
        listing = ", ".join(map(repr, unknown))
        raise InputError(f"{what} of this ClassyVision configuration has options that do not exist: {listing}")
