from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from r3d_jax.errors import InputError
from r3d_jax.settings import check_least, check_rules, check_settings, setting


@dataclass(slots=True)
class Oven:
    degrees: int = setting(200, "of heat", low=50, high=250)
    shelves: tuple[int, ...] = setting((1, 2), "that are used", low=1)
    mode: str = setting("fan", "how it heats", choices=("fan", "grill", "both"))
    light: bool = setting(False, "whether one can see in")
    minutes: float = setting(20, "until it rings", low=0)


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("degrees", 20, "`oven.degrees` (=20) must be at least 50"),
        ("degrees", 300, "`oven.degrees` (=300) must be at most 250"),
        ("degrees", 99.5, "`oven.degrees` (=99.5) must be of type int"),
        ("shelves", (3, 0), "`oven.shelves` (=(3, 0)) must be at least 1"),
        ("shelves", "12", "`oven.shelves` (='12') must be of type tuple[int, ...]"),
        ("mode", "warm", "`oven.mode` (='warm') must be fan, grill or both"),
        ("light", 1, "`oven.light` (=1) must be of type bool"),
        ("minutes", float("nan"), "`oven.minutes` (=nan) must be finite"),
        ("minutes", float("inf"), "`oven.minutes` (=inf) must be finite"),
        ("minutes", True, "`oven.minutes` (=True) must be of type float"),
    ],
)
def test_a_value_of_another_type_or_out_of_its_range_is_refused(field, value, message):
    with pytest.raises(InputError) as refused:
        check_settings(Oven(**{field: value}), "oven")
    assert str(refused.value) == message


def test_sound_values_pass_and_an_integer_is_a_number():
    check_settings(Oven(), "oven")
    check_settings(Oven(degrees=50, shelves=[2], minutes=1), "oven")


def test_the_first_rule_that_does_not_hold_is_told_with_its_values():
    rules = (
        (lambda c: c.oven.degrees < 240 or c.oven.mode != "grill", "never (={c.oven.degrees}) under the grill"),
        (lambda c: not c.oven.light, "the light is (={c.oven.light})"),
    )
    check_rules(rules, SimpleNamespace(oven=Oven()))
    with pytest.raises(InputError, match=r"^never \(=250\) under the grill$"):
        check_rules(rules, SimpleNamespace(oven=Oven(degrees=250, mode="grill", light=True)))


def test_every_number_below_its_least_is_named():
    check_least(shelves=(1, 1), minutes=(0, 0))
    with pytest.raises(InputError) as refused:
        check_least(shelves=(0, 1), minutes=(3, 0), hops=(-1, 0))
    assert str(refused.value) == "`shelves` (=0) must be at least 1; `hops` (=-1) must be at least 0"
