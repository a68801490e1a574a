"""ClassyVision's names of tensors, without the `classy_state_dict/base_model/model` around them."""

from r3d_jax.models.classifier import Classifier
from r3d_jax.models.resnet3d import ResNet3D
from r3d_jax.weights.naming import Naming, kind_and_number, letter, stage_and_block

# Our modules of a branch -> theirs, where they do not follow a rule.
_STEMS = {
    "resnext3d": {"conv1": "conv", "bn1": "bn"},
    "r2plus1d": {"conv1": "conv.0", "bn1": "conv.1", "conv2": "conv.3", "bn2": "bn"},
}
_BASIC = {"conv1": "0", "bn1": "1", "conv2": "3", "bn2": "4"}
_RESIDUALS = {
    "basic": _BASIC,
    "preactivated_basic": _BASIC,
    "basic_r2plus1d": {
        **{"conv1": "0.0", "bn1": "0.1", "conv2": "0.3", "bn2": "1"},
        **{"conv3": "3.0", "bn3": "3.1", "conv4": "3.3", "bn4": "4"},
    },
}


def _module(trunk, block, branch=None, module=None):
    if block == "stem-path0":
        return f"trunk.stem.stem.stem-path0.{_STEMS[trunk.stem.partition('_')[0]][branch]}"
    stage, _ = stage_and_block(block)
    prefix = f"trunk.stages.{stage - 1}.pathway0.{block}"
    if branch is None:
        return prefix
    kind, _ = kind_and_number(module)
    if branch == "shortcut":
        return f"{prefix}.skip.branch1{'_bn' if kind == 'bn' else ''}"
    if trunk.residual in _RESIDUALS:
        return f"{prefix}.residual.transform.{_RESIDUALS[trunk.residual][module]}"
    return f"{prefix}.residual.branch2{letter(module)}{'_bn' if kind == 'bn' else ''}"


def _linear(model: Classifier, index: int) -> str:
    head = model.heads[index]
    return f"heads.{head.block or model.trunk.block_names()[-1]}.{head.unique_id}.head_fcl.projection"


def _refusal(trunk: ResNet3D) -> str:
    return ""  # what it does not have is called in its manner, so that every network of ours can be written


CLASSYVISION = Naming(
    mark=r"trunk\.stem\.stem\.",
    head=r"heads\.(?P<block>.+?)\.(?P<unique_id>.+)\.head_fcl\.projection\.weight$",
    block=r"stage\d+-block\d+\.",
    module=_module,
    linear=_linear,
    refusal=_refusal,
    single=False,
)
