"""PySlowFast's names of tensors, of its networks with one pathway, without the `model_state` around them."""

from r3d_jax.weights.naming import Naming, kind_and_number, letter, stage_and_block, unlike


def _module(trunk, block, branch=None, module=None):
    if block == "stem-path0":
        return f"s1.pathway0_stem.{kind_and_number(branch)[0]}"
    kind, _ = kind_and_number(module)
    stage, place = stage_and_block(block)
    part = "branch1" if branch == "shortcut" else f"branch2.{letter(module)}"
    return f"s{stage + 1}.pathway0_res{place}.{part}{'_bn' if kind == 'bn' else ''}"


def _refusal(trunk):
    return unlike(trunk, ("postactivated_bottleneck",), ("resnext3d",))


PYSLOWFAST = Naming(
    mark=r"s1\.pathway0_stem\.conv\.weight$",
    head=r"head\.projection\.weight$",
    block=r"s\d+\.pathway0_res\d+\.",
    module=_module,
    linear=lambda model, index: "head.projection",
    refusal=_refusal,
)
