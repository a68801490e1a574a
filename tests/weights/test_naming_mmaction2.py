import pytest
from namings import refused, weights_of


@pytest.mark.parametrize(
    "name, convs",
    [
        ("slow_r50", ("1", "2", "3")),
        ("ircsn_50", ("1", "2.0", "3")),
        ("ipcsn_152", ("1", "2.0", "2.1", "3")),
        ("r3d_18", ("1", "2")),
    ],
)
def test_convolutions_and_norms_are_pairs(name, convs):
    pairs = {"conv1", *(f"layer2.0.{part}" for part in ("downsample", *(f"conv{number}" for number in convs)))}
    expected = {f"backbone.{pair}.{kind}" for pair in pairs for kind in ("conv", "bn")} | {"cls_head.fc_cls"}
    assert {each for each in weights_of(name, "mmaction2") if "layer1" not in each} == expected


def test_what_it_does_not_have_is_refused():
    assert refused("r2plus1d_18", "mmaction2") == "a network of `residual` 'basic_r2plus1d'"
