from dataclasses import replace

import pytest

from r3d_jax.config import AugmentConfig, Config, FinetuneConfig, OptimConfig, TrainConfig
from r3d_jax.config_check import check
from r3d_jax.training.choose import choose, describe, left, taken_from

OPEN = Config(
    optim=OptimConfig(schedule="cosine", learning_rates=()),
    train=TrainConfig(epochs=0, batch_size=0),
    finetune=FinetuneConfig(source="there", batch_norm="auto"),
)
NAMES = ["train.epochs", "train.batch_size", "optim.learning_rates", "finetune.batch_norm"]


def values(config):
    return config.train.epochs, config.train.batch_size, config.optim.learning_rates, config.finetune.batch_norm


def test_nothing_is_left_open_but_what_says_so():
    check(OPEN, 1)
    assert left(OPEN) == NAMES and left(Config()) == []
    assert choose(Config(), videos=5) == Config()


@pytest.mark.parametrize(
    "videos, expected",
    [
        (53, (28, 8, (0.005, 0.00005), "frozen")),
        (1000, (11, 16, (0.01, 0.0001), "batch")),
        (10_000, (10, 32, (0.02, 0.0002), "batch")),
    ],
)
def test_few_videos_are_seen_often_in_small_batches_at_a_low_rate(videos, expected):
    chosen = choose(OPEN, videos=videos)
    check(chosen, 1)
    assert values(chosen) == expected and not left(chosen)


def test_a_network_that_begins_anew_sees_them_more_often_and_keeps_no_statistics():
    fresh = replace(OPEN, finetune=FinetuneConfig(batch_norm="auto"))
    epochs, *_, norm = values(choose(fresh, videos=53))
    assert epochs == 58 and norm == "batch"


def test_memory_and_devices_limit_the_batch_and_the_rate_follows():
    assert values(choose(OPEN, videos=10_000, fits=9))[1:3] == (8, (0.005, 0.00005))
    assert values(choose(OPEN, videos=53, fits=1))[1] == 1
    assert values(choose(OPEN, videos=53, parts=6))[1] == 12
    assert values(choose(OPEN, videos=53, fits=4, parts=16))[1] == 16


def test_adamw_has_a_rate_of_its_own_and_the_batch_holds_each_video_as_often():
    adamw = replace(OPEN, optim=replace(OPEN.optim, name="adamw"), augment=AugmentConfig(repeats=3))
    chosen = choose(adamw, videos=53, parts=2)
    check(chosen, 2)
    assert values(chosen)[1] == 12 and chosen.optim.learning_rates == pytest.approx((0.00015, 0.0000015))


@pytest.mark.parametrize("schedule, count", [("cosine", 2), ("linear", 2), ("polynomial", 1), ("step", 3)])
def test_each_schedule_gets_as_many_rates_as_it_takes(schedule, count):
    chosen = choose(replace(OPEN, optim=OptimConfig(schedule=schedule, learning_rates=())), videos=53)
    check(chosen, 1)
    rates = chosen.optim.learning_rates
    assert len(rates) == count and rates[0] == 0.005 and list(rates) == sorted(rates, reverse=True)


def test_what_is_set_stays_and_a_run_that_has_begun_keeps_its_own():
    some = replace(OPEN, train=TrainConfig(epochs=3, batch_size=0))
    chosen = choose(some, videos=53)
    assert values(chosen)[:2] == (3, 8)
    assert values(taken_from(OPEN, chosen)) == values(chosen)
    assert taken_from(replace(OPEN, train=TrainConfig(epochs=7, batch_size=0)), chosen).train.epochs == 7
    line = "Chosen for 53 training videos: train.batch_size=8, optim.learning_rates=0.005,5e-05; what is set is left as"
    assert describe(["train.batch_size", "optim.learning_rates"], chosen, 53).startswith(line)
