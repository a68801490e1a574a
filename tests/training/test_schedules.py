import jax
import numpy as np
import pytest
from seeded import case_of

from r3d_jax.config import OptimConfig
from r3d_jax.training import schedules
from r3d_jax.training.from_config import make_schedule

SCHEDULES = {name: row for name, row in case_of("protocol")["schedules"].items() if name != "meaning"}


def build(config):
    """The schedule of a ClassyVision configuration."""
    kind = config["name"]
    if kind == "composite":
        rescaled = [scaling == "rescaled" for scaling in config["interval_scaling"]]
        return schedules.composite([build(each) for each in config["schedulers"]], config["lengths"], rescaled)
    values = [value for name, value in config.items() if name not in ("name", "update_interval")]
    return getattr(schedules, {"multistep": "piecewise"}.get(kind, kind))(*values)


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_are_the_references(name):
    row = SCHEDULES[name]
    schedule = jax.jit(build(row["config"]))
    found = [schedule(i / row["positions"]) for i in range(row["positions"])]
    np.testing.assert_allclose(found, row["values"], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_shifted_schedule_is_noticed(name):
    row = SCHEDULES[name]
    config = row["config"]
    if config["name"] == "multistep":
        config = config | {"milestones": [milestone + 1 for milestone in config["milestones"]]}
    late = 0 if config["name"] == "multistep" else 1
    schedule = jax.jit(build(config))
    found = [schedule((i + late) / row["positions"]) for i in range(row["positions"])]
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        np.testing.assert_allclose(found, row["values"], rtol=1e-5, atol=1e-9)


def test_step_gives_each_value_an_equal_part():
    schedule = schedules.step([0.4, 0.2, 0.1])
    assert [float(schedule(i / 9)) for i in range(9)] == pytest.approx([0.4] * 3 + [0.2] * 3 + [0.1] * 3)


def rates(epochs, steps_per_epoch, **options):
    schedule = jax.jit(make_schedule(OptimConfig(**options), epochs, steps_per_epoch))
    return np.array([schedule(step) for step in range(epochs * steps_per_epoch)])


@pytest.mark.parametrize("name", ["tutorial_multistep", "multistep_finetune", "multistep_5_of_7"])
def test_a_configured_multistep_changes_with_the_epochs_alone(name):
    row = SCHEDULES[name]
    values, milestones = row["config"]["values"], row["config"]["milestones"]
    found = rates(row["positions"], 7, learning_rates=tuple(values), milestones=tuple(milestones))
    np.testing.assert_allclose(found, np.repeat(row["values"], 7), rtol=1e-6)


def test_a_configured_cosine_changes_with_every_step():
    row = SCHEDULES["cosine_40_steps"]
    found = rates(8, 5, schedule="cosine", learning_rates=(0.1, 0.0001))
    np.testing.assert_allclose(found, row["values"], rtol=1e-5)


def test_a_configured_polynomial_is_the_references():
    found = rates(4, 5, schedule="polynomial", learning_rates=(0.1,), power=2.0)
    np.testing.assert_allclose(found, SCHEDULES["polynomial_20"]["values"], rtol=1e-4)


def test_a_configured_warm_up_is_the_references_composite():
    options = {"schedule": "cosine", "learning_rates": (0.04, 4e-5), "update": "epoch"}
    found = rates(300, 2, **options, warmup_epochs=39, warmup_start=0.005)
    np.testing.assert_allclose(found, np.repeat(SCHEDULES["ucf101_r3d34_warmup_cosine"]["values"], 2), rtol=1e-4)


def test_a_warm_up_leaves_the_milestones_where_they_are():
    found = rates(6, 2, learning_rates=(0.1, 0.01), milestones=(4,), warmup_epochs=2)
    np.testing.assert_allclose(found, [0, 0.025, 0.05, 0.075, *[0.1] * 4, *[0.01] * 4], rtol=1e-5, atol=1e-8)


def test_linear_and_step_can_be_configured():
    np.testing.assert_allclose(rates(2, 2, schedule="linear", learning_rates=(0.4, 0)), [0.4, 0.3, 0.2, 0.1], rtol=1e-6)
    np.testing.assert_allclose(rates(2, 2, schedule="step", learning_rates=(2, 1)), [2, 2, 1, 1])


def test_without_milestones_the_rate_is_constant():
    assert set(rates(3, 5, learning_rates=(0.3,), milestones=())) == {np.float32(0.3)}
