import pytest

from r3d_jax.models.presets import PRESETS
from r3d_jax.weights.naming import kind_and_number, stage_and_block, unlike


def test_names_of_blocks_and_modules_are_taken_apart():
    assert stage_and_block("pathway0-stage2-block10") == (2, 10) and kind_and_number("bn3") == ("bn", 3)


@pytest.mark.parametrize(
    "name, refusal",
    [
        ("r3d_18", ""),
        ("r3d_50", "a network of `residual` 'postactivated_bottleneck'"),
        ("kenshohara_r3d_18_a", "a network of `shortcut` 'zero_padded'"),
    ],
)
def test_what_a_project_does_not_have_is_named(name, refusal):
    assert unlike(PRESETS[name], ("basic",), ("resnext3d",)) == refusal
    assert unlike(PRESETS["r3d_18"], ("basic",), ("r2plus1d",)) == "a network of `stem` 'resnext3d'"
