"""What PyTorchVideo and PySlowFast call the tensors of an X3D network."""

import re

from r3d_jax.errors import InputError
from r3d_jax.models.x3d import X3D


def check(trunk: X3D, naming: str) -> None:
    """Refuses options that the project of a naming does not have: its tensors would be taken for another network's.

    Args:
      naming: one of NAMINGS.

    Raises:
      InputError: such options.
    """
    if trunk.stem_planes == trunk.planes and trunk.shortcut_norm != (naming == "pyslowfast"):
        raise InputError(
            f"{naming} has no names for this network: its X3D has `shortcut_norm` {not trunk.shortcut_norm}, but here "
            f"it is {trunk.shortcut_norm}"
        )


def _pytorchvideo(trunk, block, branch=None, *modules):
    last = f"blocks.{len(trunk.blocks) + 1}"
    if block == "head":
        return f"{last}.pool.post_conv" if branch == "hidden" else f"{last}.proj"
    if block == "conv5":
        return f"{last}.pool.pre_{'norm' if branch == 'bn1' else 'conv'}"
    if block == "stem-path0":
        return f"blocks.0.{ {'conv1': 'conv.conv_t', 'conv2': 'conv.conv_xy', 'bn2': 'norm'}[branch] }"
    stage, number = _place(block)
    prefix, module = f"blocks.{stage}.res_blocks.{number}", modules[0] if modules else "conv1"
    kind = "norm" if module.startswith("bn") else "conv"
    if branch == "shortcut":
        return f"{prefix}.branch1_{kind}"
    if module == "se":
        return f"{prefix}.branch2.norm_b.1.block.{ {'conv1': 0, 'conv2': 2}[modules[1]] }"
    # Beside squeeze-and-excitation, or the nothing in its place, the middle batch norm has a number.
    return f"{prefix}.branch2.{kind}_{_letter(module)}{'.0' if module == 'bn2' else ''}"


def _pyslowfast(trunk, block, branch=None, *modules):
    if block == "head":
        return "head.lin_5" if branch == "hidden" else "head.projection"
    if block == "conv5":
        return f"head.conv_5{'_bn' if branch == 'bn1' else ''}"
    if block == "stem-path0":
        return f"s1.pathway0_stem.{ {'conv1': 'conv_xy', 'conv2': 'conv', 'bn2': 'bn'}[branch] }"
    stage, number = _place(block)
    prefix, module = f"s{stage + 1}.pathway0_res{number}", modules[0] if modules else "conv1"
    bn = "_bn" if module.startswith("bn") else ""
    if branch == "shortcut":
        return f"{prefix}.branch1{bn}"
    if module == "se":
        return f"{prefix}.branch2.se.fc{modules[1][-1]}"
    return f"{prefix}.branch2.{_letter(module)}{bn}"


def _place(block):
    """(stage, number) of a residual block."""
    return tuple(map(int, re.fullmatch(r"pathway0-stage(\d+)-block(\d+)", block).groups()))


def _letter(module):
    return "abc"[int(module[-1]) - 1]


# The name, but for its last part, of what is in a module: trunk, then "head" or the block and the modules within it.
NAMINGS = {"pytorchvideo": _pytorchvideo, "pyslowfast": _pyslowfast}
