"""mmaction2's names of tensors, of its releases from 0.x to 1.x."""

from r3d_jax.weights.naming import Naming, kind_and_number, unlike
from r3d_jax.weights.naming_torchvision import layer

# CSN's middle convolution is a row of one or two.
_CONVS = {"ircsn_bottleneck": ("1", "2.0", "3"), "ipcsn_bottleneck": ("1", "2.0", "2.1", "3")}


def _module(trunk, block, branch=None, module=None):
    if block == "stem-path0":
        return f"backbone.conv1.{kind_and_number(branch)[0]}"
    kind, number = kind_and_number(module)
    part = "downsample" if branch == "shortcut" else f"conv{_CONVS.get(trunk.residual, '123')[number - 1]}"
    return f"backbone.{layer(block)}.{part}.{kind}"


def _refusal(trunk):
    return unlike(trunk, ("basic", "postactivated_bottleneck", *_CONVS), ("resnext3d",))


MMACTION2 = Naming(
    mark=r"backbone\.conv1\.conv\.weight$",
    head=r"cls_head\.fc_cls\.weight$",
    block=r"layer\d+\.\d+\.",
    module=_module,
    linear=lambda model, index: "cls_head.fc_cls",
    refusal=_refusal,
)
