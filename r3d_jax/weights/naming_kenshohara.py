"""The names of tensors of 3D-ResNets-PyTorch: torchvision's images', with `_s` and `_t` for R(2+1)D's halves."""

from r3d_jax.weights.naming import Naming, kind_and_number, unlike
from r3d_jax.weights.naming_torchvision import layer

_PARTS = {"basic_r2plus1d": ("1_s", "1_t", "2_s", "2_t"), "r2plus1d_bottleneck": ("1", "2_s", "2_t", "3")}
_PLAIN = ("basic", "preactivated_basic", "postactivated_bottleneck", "preactivated_bottleneck")


def _module(trunk, block, branch=None, module=None):
    if block == "stem-path0":
        kind, number = kind_and_number(branch)
        return branch if trunk.stem == "resnext3d" else f"{kind}{('1_s', '1_t')[number - 1]}"
    kind, number = kind_and_number(module)
    if branch == "shortcut":
        return f"{layer(block)}.downsample.{int(kind == 'bn')}"
    return f"{layer(block)}.{kind}{_PARTS.get(trunk.residual, '123')[number - 1]}"


def _refusal(trunk):
    if trunk.residual.startswith("preactivated") and trunk.closing_norm:
        return "a pre-activated network that closes with batch norm"
    shortcuts = ("postactivated", "zero_padded")
    return unlike(trunk, (*_PLAIN, *_PARTS), ("resnext3d", "r2plus1d_7x7x7"), shortcuts)


KENSHOHARA = Naming(
    mark=r"conv1(_s)?\.weight$",
    head=r"fc\.weight$",
    block=r"layer\d+\.\d+\.",
    module=_module,
    linear=lambda model, index: "fc",
    refusal=_refusal,
)
