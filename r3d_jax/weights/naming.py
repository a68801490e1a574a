"""What it takes to know a project's names of tensors, and what all of them share."""

import re
from collections.abc import Callable
from typing import NamedTuple

from r3d_jax.models.classifier import Classifier
from r3d_jax.models.resnet3d import ResNet3D


class Naming(NamedTuple):
    """How a project calls the tensors of its networks.

    Attributes:
      mark: a pattern that a name of a tensor matches in every file of the project, and in no other's.
      head: a pattern of the weights of the linear layer; groups `block` and `unique_id` if it tells them.
      block: a pattern of what in a name is the block that a tensor belongs to.
      module: gives the name of a convolution or a batch norm: of (trunk, block, branch, module), where a stem's module
        stands for the branch, and a closing batch norm has neither.
      linear: gives the name of the linear layer of a network's head: of (network, index of the head).
      refusal: says of a trunk what the project cannot hold, or nothing.
      single: whether a network has one head, on its last block.
    """

    mark: str
    head: str
    block: str
    module: Callable[..., str]
    linear: Callable[[Classifier, int], str]
    refusal: Callable[[ResNet3D], str]
    single: bool = True


def stage_and_block(block: str) -> tuple[int, int]:
    """Stage, from 1, and number, from 0, of a block: (2, 0) of "pathway0-stage2-block0"."""
    stage, number = re.match(r"pathway0-stage(\d+)-block(\d+)", block).groups()
    return int(stage), int(number)


def kind_and_number(module: str) -> tuple[str, int]:
    """Of the name of a branch's module: ("conv", 2) of "conv2"."""
    return module[:-1], int(module[-1])


def letter(module: str) -> str:
    """The letter that several projects have for a bottleneck's modules in place of our number: "b" of "conv2"."""
    return "abcd"[kind_and_number(module)[1] - 1]


def unlike(
    trunk: ResNet3D, residuals: tuple[str, ...], stems: tuple[str, ...], shortcuts: tuple[str, ...] = ("postactivated",)
) -> str:
    """What of a trunk is of another kind than a project has, in a few words, or nothing.

    Args:
      residuals, stems, shortcuts: that the project has.
    """
    for option, allowed in (("residual", residuals), ("stem", stems), ("shortcut", shortcuts)):
        if (value := getattr(trunk, option)) not in allowed:
            return f"a network of `{option}` {value!r}"
    return ""
