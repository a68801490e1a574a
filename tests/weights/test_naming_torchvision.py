import pytest
from namings import refused, weights_of

from r3d_jax.weights.naming_torchvision import layer


@pytest.mark.parametrize(
    "name, parts",
    [
        ("r3d_18", ("1.0", "1.1", "2.0", "2.1")),
        ("r3d_50", ("1.0", "1.1", "2.0", "2.1", "3.0", "3.1")),
        ("torchvision_r2plus1d_18", ("1.0.0", "1.0.1", "1.0.3", "1.1", "2.0.0", "2.0.1", "2.0.3", "2.1")),
        ("ircsn_152", ("1.0", "1.1", "2.0", "2.1", "3.0", "3.1")),
        ("ipcsn_152", ("1.0", "1.1", "2.0.0", "2.0.1", "2.0.2", "2.1", "3.0", "3.1")),
        ("vmz_r2plus1d_152", ("1.0", "1.1", "2.0.0", "2.0.1", "2.0.3", "2.1", "3.0", "3.1")),
    ],
)
def test_blocks_are_rows_within_rows(name, parts):
    """The last three are VMZ's, which has torchvision's names."""
    stem = ("0", "1", "3", "4") if "r2plus1d" in name else ("0", "1")
    expected = {"fc", *(f"stem.{number}" for number in stem)}
    expected |= {f"layer2.0.{part}" for part in ("downsample.0", "downsample.1", *(f"conv{part}" for part in parts))}
    assert {each for each in weights_of(name, "torchvision") if "layer1" not in each} == expected


def test_image_networks_have_flat_names():
    parts = ("conv1", "bn1", "conv2", "bn2", "downsample.0", "downsample.1")
    expected = {"conv1", "bn1", "fc", *(f"layer{stage}.0.{part}" for stage in (1, 2) for part in parts)}
    assert weights_of("r3d_18", "torchvision_2d", planes=16) == expected
    assert layer("pathway0-stage3-block2") == "layer3.2"


def test_what_it_does_not_have_is_refused():
    assert refused("kenshohara_r3d_18_a", "torchvision") == "a network of `shortcut` 'zero_padded'"
    for naming in ("torchvision", "torchvision_2d"):
        assert refused("kenshohara_preresnet_200", naming) == "a pre-activated network"
