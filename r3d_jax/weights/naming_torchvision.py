"""torchvision's names of tensors, of its video networks, which VMZ and IG-65M use too, and of its image networks."""

from r3d_jax.weights.naming import Naming, kind_and_number, stage_and_block, unlike

_STEM = {"conv1": "0", "bn1": "1", "conv2": "3", "bn2": "4"}
# The convolutions of a branch whose middle is a row by itself; batch norm has the next number behind its convolution.
_CONVS = {
    "basic_r2plus1d": ("1.0.0", "1.0.3", "2.0.0", "2.0.3"),
    "ipcsn_bottleneck": ("1.0", "2.0.0", "2.0.2", "3.0"),
    "r2plus1d_bottleneck": ("1.0", "2.0.0", "2.0.3", "3.0"),
}
_NORMS = {
    "basic_r2plus1d": ("1.0.1", "1.1", "2.0.1", "2.1"),
    "ipcsn_bottleneck": ("1.1", "2.0.1", "2.1", "3.1"),
    "r2plus1d_bottleneck": ("1.1", "2.0.1", "2.1", "3.1"),
}
_PLAIN = ("basic", "postactivated_bottleneck", "ircsn_bottleneck")


def layer(block: str) -> str:
    """What torchvision's ResNets call a block: "layer2.0" is "pathway0-stage2-block0"."""
    stage, number = stage_and_block(block)
    return f"layer{stage}.{number}"


def _module(trunk, block, branch=None, module=None):
    if block == "stem-path0":
        return f"stem.{_STEM[branch]}"
    kind, number = kind_and_number(module)
    if branch == "shortcut":
        return f"{layer(block)}.downsample.{int(kind == 'bn')}"
    if trunk.residual in _PLAIN:
        return f"{layer(block)}.conv{number}.{int(kind == 'bn')}"
    return f"{layer(block)}.conv{(_NORMS if kind == 'bn' else _CONVS)[trunk.residual][number - 1]}"


def _module_2d(trunk, block, branch=None, module=None):
    if block == "stem-path0":
        return branch
    if branch == "shortcut":
        return f"{layer(block)}.downsample.{int(module.startswith('bn'))}"
    return f"{layer(block)}.{module}"


def _refusal(trunk):
    if trunk.residual.startswith("preactivated"):
        return "a pre-activated network"
    return unlike(trunk, (*_PLAIN, *_CONVS), ("resnext3d", "r2plus1d", "r2plus1d_7x7"))


def _refusal_2d(trunk):
    if trunk.residual.startswith("preactivated"):
        return "a pre-activated network"
    return unlike(trunk, ("basic", "postactivated_bottleneck"), ("resnext3d",))


TORCHVISION = Naming(
    mark=r"stem\.0\.weight$",
    head=r"fc\.weight$",
    block=r"layer\d+\.\d+\.",
    module=_module,
    linear=lambda model, index: "fc",
    refusal=_refusal,
)
# Only ever read: its kernels have no time.
TORCHVISION_2D = TORCHVISION._replace(mark=r"conv1\.weight$", module=_module_2d, refusal=_refusal_2d)
