"""What PyTorchVideo, mmaction2 and PySlowFast call the tensors of a SlowFast network."""

import re
from functools import partial

from r3d_jax.weights.naming import Naming, letter


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
    return f"{prefix}.res_blocks.{number}.branch2.{kind}_{letter(module)}"


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
    return f"{prefix}_res{number}.branch2.{letter(module)}{bn}"


def _fused(block):
    """The stage that a fusion comes after, 0 for the stem; None where `block` is none."""
    found = re.fullmatch(r"(?:stem|stage(\d+))-fusion", block)
    return int(found[1] or 0) if found else None


def _place(block):
    """(pathway, stage, number) of a block; the stem is stage 0."""
    if stem := re.fullmatch(r"stem-path(\d)", block):
        return int(stem[1]), 0, 0
    return tuple(map(int, re.fullmatch(r"pathway(\d)-stage(\d+)-block(\d+)", block).groups()))


def _naming(module, mark, head, block, theirs=False):
    return Naming(
        mark, head, block, module, lambda model, index: module(model.trunk, "head"), partial(_refusal, theirs)
    )


def _refusal(theirs, trunk):
    """`theirs`: whether the project is mmaction2, whose SlowFast differs."""
    if (trunk.lateral_norm, trunk.fast_first) == (not theirs, theirs):
        return ""
    return f"a SlowFast with `lateral_norm` {trunk.lateral_norm} and `fast_first` {trunk.fast_first}"


# Blocks are those of the slow pathway alone: the fast one has as many.
NAMINGS = {
    "pytorchvideo": _naming(
        _pytorchvideo,
        mark=r"blocks\.0\.multipathway_blocks\.0\.conv\.weight$",
        head=r"blocks\.\d+\.proj\.weight$",
        block=r"blocks\.\d+\.multipathway_blocks\.0\.res_blocks\.\d+\.",
    ),
    "mmaction2": _naming(
        _mmaction2,
        mark=r"backbone\.slow_path\.conv1\.conv\.weight$",
        head=r"cls_head\.fc_cls\.weight$",
        block=r"slow_path\.layer\d+\.\d+\.",
        theirs=True,
    ),
    "pyslowfast": _naming(
        _pyslowfast,
        mark=r"s1\.pathway1_stem\.conv\.weight$",
        head=r"head\.projection\.weight$",
        block=r"s\d+\.pathway0_res\d+\.",
    ),
}
