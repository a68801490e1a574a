import pytest
from namings import refused, weights_of


@pytest.mark.parametrize(
    "name, stem, parts, shortcut",
    [
        ("kenshohara_r3d_18", ("1",), ("1", "2"), True),
        ("kenshohara_r3d_18_a", ("1",), ("1", "2"), False),
        ("kenshohara_resnext_101", ("1",), ("1", "2", "3"), True),
        ("kenshohara_preresnet_200", ("1",), ("1", "2", "3"), True),
        ("kenshohara_r2plus1d_18", ("1_s", "1_t"), ("1_s", "1_t", "2_s", "2_t"), True),
        ("kenshohara_r2plus1d_50", ("1_s", "1_t"), ("1", "2_s", "2_t", "3"), True),
    ],
)
def test_names_are_those_of_images_and_halves_have_a_letter(name, stem, parts, shortcut):
    expected = {f"{kind}{part}" for kind in ("conv", "bn") for part in stem} | {"fc"}
    expected |= {f"layer2.0.{kind}{part}" for kind in ("conv", "bn") for part in parts}
    expected |= {f"layer2.0.downsample.{number}" for number in (0, 1)} if shortcut else set()
    assert {each for each in weights_of(name, "kenshohara") if "layer1" not in each} == expected


def test_what_it_does_not_have_is_refused():
    assert refused("csn_r101", "kenshohara") == "a network of `residual` 'ircsn_bottleneck'"
    ended = refused("kenshohara_preresnet_200", "kenshohara", closing_norm=True)
    assert ended == "a pre-activated network that closes with batch norm"
