"""What PyTorchVideo, mmaction2 and PySlowFast call the tensors of a SlowFast network."""

import re

from r3d_jax.errors import InputError
from r3d_jax.models.slowfast import SlowFast


def check(trunk: SlowFast, naming: str) -> None:
    """Refuses options that the project of a naming does not have: its tensors would be taken for another network's.

    Args:
      naming: one of NAMINGS.

    Raises:
      InputError: such options.
    """
    theirs = naming == "mmaction2"
    if (trunk.lateral_norm, trunk.fast_first) != (not theirs, theirs):
        raise InputError(
            f"{naming} has no names for this network: its SlowFast has `lateral_norm` {not theirs} and `fast_first` "
            f"{theirs}, but these are {trunk.lateral_norm} and {trunk.fast_first}"
        )


def _pytorchvideo(trunk, block, branch=None, module=None):
    if block == "head":  # behind the stem, the stages and what pools and joins the pathways
        return f"blocks.{len(trunk.blocks) + 2}.proj"
    if (fused := _fused(block)) is not None:
        return f"blocks.{fused}.multipathway_fusion.{'norm' if branch == 'bn1' else 'conv_fast_to_slow'}"
    pathway, stage, number = _place(block)
    prefix = f"blocks.{stage}.multipathway_blocks.{pathway}"
    if stage == 0:
        return f"{prefix}.{'norm' if branch == 'bn1' else 'conv'}"
    kind = "norm" if module.startswith("bn") else "conv"
    if branch == "shortcut":
        return f"{prefix}.res_blocks.{number}.branch1_{kind}"
    return f"{prefix}.res_blocks.{number}.branch2.{kind}_{_letter(module)}"


def _mmaction2(trunk, block, branch=None, module=None):
    if block == "head":
        return "cls_head.fc_cls"
    if (fused := _fused(block)) is not None:
        layer = f"layer{fused}" if fused else "conv1"
        return f"backbone.slow_path.{layer}_lateral.{'bn' if branch == 'bn1' else 'conv'}"
    pathway, stage, number = _place(block)
    prefix = f"backbone.{'fast' if pathway else 'slow'}_path"
    if stage == 0:
        return f"{prefix}.conv1.{'bn' if branch == 'bn1' else 'conv'}"
    kind = "bn" if module.startswith("bn") else "conv"
    name = "downsample" if branch == "shortcut" else f"conv{module[-1]}"
    return f"{prefix}.layer{stage}.{number}.{name}.{kind}"


def _pyslowfast(trunk, block, branch=None, module=None):
    if block == "head":
        return "head.projection"
    if (fused := _fused(block)) is not None:
        return f"s{fused + 1}_fuse.{'bn' if branch == 'bn1' else 'conv_f2s'}"
    pathway, stage, number = _place(block)
    prefix = f"s{stage + 1}.pathway{pathway}"
    if stage == 0:
        return f"{prefix}_stem.{'bn' if branch == 'bn1' else 'conv'}"
    bn = "_bn" if module.startswith("bn") else ""
    if branch == "shortcut":
        return f"{prefix}_res{number}.branch1{bn}"
    return f"{prefix}_res{number}.branch2.{_letter(module)}{bn}"


def _fused(block):
    """The stage that a fusion comes after, 0 for the stem; None where `block` is none."""
    found = re.fullmatch(r"(?:stem|stage(\d+))-fusion", block)
    return int(found[1] or 0) if found else None


def _place(block):
    """(pathway, stage, number) of a block; the stem is stage 0."""
    if stem := re.fullmatch(r"stem-path(\d)", block):
        return int(stem[1]), 0, 0
    return tuple(map(int, re.fullmatch(r"pathway(\d)-stage(\d+)-block(\d+)", block).groups()))


def _letter(module):
    return "abc"[int(module[-1]) - 1]


# The name, but for its last part, of what is in a module: trunk, then "head" or the block and the modules within it.
NAMINGS = {"pytorchvideo": _pytorchvideo, "mmaction2": _mmaction2, "pyslowfast": _pyslowfast}
