"""PyTorchVideo's names of tensors, without the `model_state` around them."""

from r3d_jax.weights.naming import Naming, kind_and_number, letter, stage_and_block, unlike

_KINDS = {"conv": "conv", "bn": "norm"}
# The middle of an R(2+1)D bottleneck, over time first.
_FACTORISED = {"conv2": "conv_b.conv_t", "bn2": "conv_b.norm", "conv3": "conv_b.conv_xy", "bn3": "norm_b"}
_FACTORISED |= {"conv1": "conv_a", "bn1": "norm_a", "conv4": "conv_c", "bn4": "norm_c"}
_RESIDUALS = ("postactivated_bottleneck", "ircsn_bottleneck", "r2plus1d_time_first_bottleneck")


def _module(trunk, block, branch=None, module=None):
    if block == "stem-path0":
        return f"blocks.0.{_KINDS[kind_and_number(branch)[0]]}"
    kind, _ = kind_and_number(module)
    stage, place = stage_and_block(block)
    prefix = f"blocks.{_index(trunk, stage)}.res_blocks.{place}"
    if branch == "shortcut":
        return f"{prefix}.branch1_{_KINDS[kind]}"
    if trunk.residual == "r2plus1d_time_first_bottleneck":
        return f"{prefix}.branch2.{_FACTORISED[module]}"
    return f"{prefix}.branch2.{_KINDS[kind]}_{letter(module)}"


def _index(trunk, stage):
    """A stage's place among the blocks, or the head's, for the number behind the last stage; a pool is a block too."""
    return stage + sum(frames > 1 for frames in trunk.temporal_pools[: stage - 1])


def _refusal(trunk):
    if any(frames > 1 for frames in trunk.temporal_pools[1:]):
        return "a pool behind another stage than the first"
    return unlike(trunk, _RESIDUALS, ("resnext3d",))


PYTORCHVIDEO = Naming(
    mark=r"blocks\.0\.conv\.weight$",
    head=r"blocks\.\d+\.proj\.weight$",
    block=r"blocks\.\d+\.res_blocks\.\d+\.",
    module=_module,
    linear=lambda model, index: f"blocks.{_index(model.trunk, len(model.trunk.blocks) + 1)}.proj",
    refusal=_refusal,
)
