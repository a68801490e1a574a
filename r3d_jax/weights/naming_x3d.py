"""What PyTorchVideo and PySlowFast call the tensors of an X3D network."""

from functools import partial

from r3d_jax.weights.naming import Naming, letter, stage_and_block

# The layer behind the pool of an X3D's head.
HIDDEN = r"blocks\.\d+\.pool\.post_conv\.weight$|head\.lin_5\.weight$"


def _pytorchvideo(trunk, block, branch=None, *modules):
    last = f"blocks.{len(trunk.blocks) + 1}"
    if block == "head":
        return f"{last}.pool.post_conv" if branch == "hidden" else f"{last}.proj"
    if block == "conv5":
        return f"{last}.pool.pre_{'norm' if branch == 'bn1' else 'conv'}"
    if block == "stem-path0":
        return f"blocks.0.{ {'conv1': 'conv.conv_t', 'conv2': 'conv.conv_xy', 'bn2': 'norm'}[branch] }"
    stage, number = stage_and_block(block)
    prefix, module = f"blocks.{stage}.res_blocks.{number}", modules[0] if modules else "conv1"
    kind = "norm" if module.startswith("bn") else "conv"
    if branch == "shortcut":
        return f"{prefix}.branch1_{kind}"
    if module == "se":
        return f"{prefix}.branch2.norm_b.1.block.{ {'conv1': 0, 'conv2': 2}[modules[1]] }"
    # Beside squeeze-and-excitation, or the nothing in its place, the middle batch norm has a number.
    return f"{prefix}.branch2.{kind}_{letter(module)}{'.0' if module == 'bn2' else ''}"


def _pyslowfast(trunk, block, branch=None, *modules):
    if block == "head":
        return "head.lin_5" if branch == "hidden" else "head.projection"
    if block == "conv5":
        return f"head.conv_5{'_bn' if branch == 'bn1' else ''}"
    if block == "stem-path0":
        return f"s1.pathway0_stem.{ {'conv1': 'conv_xy', 'conv2': 'conv', 'bn2': 'bn'}[branch] }"
    stage, number = stage_and_block(block)
    prefix, module = f"s{stage + 1}.pathway0_res{number}", modules[0] if modules else "conv1"
    bn = "_bn" if module.startswith("bn") else ""
    if branch == "shortcut":
        return f"{prefix}.branch1{bn}"
    if module == "se":
        return f"{prefix}.branch2.se.fc{modules[1][-1]}"
    return f"{prefix}.branch2.{letter(module)}{bn}"


def _naming(module, mark, head, block, shortcut_norm):
    refusal = partial(_refusal, shortcut_norm)
    return Naming(mark, head, block, module, lambda model, index: module(model.trunk, "head"), refusal)


def _refusal(shortcut_norm, trunk):
    """`shortcut_norm`: whether the project has batch norm behind projections between as many channels."""
    if trunk.stem_planes != trunk.planes or trunk.shortcut_norm == shortcut_norm:
        return ""
    return f"an X3D with `shortcut_norm` {trunk.shortcut_norm}"


NAMINGS = {
    "pytorchvideo": _naming(
        _pytorchvideo,
        mark=r"blocks\.0\.conv\.conv_t\.weight$",
        head=r"blocks\.\d+\.proj\.weight$",
        block=r"blocks\.\d+\.res_blocks\.\d+\.",
        shortcut_norm=False,
    ),
    "pyslowfast": _naming(
        _pyslowfast,
        mark=r"s1\.pathway0_stem\.conv_xy\.weight$",
        head=r"head\.projection\.weight$",
        block=r"s\d+\.pathway0_res\d+\.",
        shortcut_norm=True,
    ),
}
