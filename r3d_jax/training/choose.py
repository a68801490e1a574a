"""Settings that a configuration leaves to be chosen, for the number of its videos and the memory."""

from dataclasses import replace
from math import lcm

from r3d_jax.config import SCHEDULES, Config, flatten

FEW = 16  # clips of a batch below which a trained network's batch statistics are better than the batch's own
# Of a batch of 8 clips; in proportion to the batch (Goyal et al., arXiv:1706.02677). AdamW's steps are as long as its
# rate, whatever the gradient.
RATES = {"sgd": 0.005, "adamw": 0.0001}
FALL = 100  # from the first learning rate to the last


def left(config: Config) -> list[str]:
    """Names of the settings that are left to be chosen, as "section.field"."""
    values = {"train.epochs": 0, "train.batch_size": 0, "optim.learning_rates": (), "finetune.batch_norm": "auto"}
    flat = flatten(config)
    return [name for name, value in values.items() if flat[name] == value]


def choose(config: Config, *, videos: int, fits: int = 0, parts: int = 1) -> Config:
    """The configuration with concrete values for the settings that it leaves to be chosen.

    Args:
      videos: of an epoch.
      fits: most clips of a batch that the memory takes; 0: not known.
      parts: what a batch must be divisible by: devices times parts of a step; `augment.repeats` must divide it too.
    """
    train, optim, finetune = config.train, config.optim, config.finetune
    parts = lcm(parts, config.augment.repeats)
    epochs = train.epochs or _epochs(videos, trained=bool(finetune.source))
    batch = train.batch_size or _batch(videos, fits, parts)
    rates = optim.learning_rates or _rates(optim.schedule, RATES[optim.name] * batch / 8)
    norm = finetune.batch_norm
    if norm == "auto":
        norm = "frozen" if finetune.source and batch < FEW else "batch"
    return replace(
        config,
        train=replace(train, epochs=epochs, batch_size=batch),
        optim=replace(optim, learning_rates=tuple(rates)),
        finetune=replace(finetune, batch_norm=norm),
    )


def taken_from(config: Config, run: Config) -> Config:
    """The configuration with the values of a run that has begun for the settings that it leaves to be chosen."""
    taken, values = config, flatten(run)
    for name in left(config):
        section, _, field = name.partition(".")
        taken = replace(taken, **{section: replace(getattr(taken, section), **{field: values[name]})})
    return taken


def describe(names: list[str], config: Config, videos: int) -> str:
    """A line on what was chosen.

    Args:
      names: of the settings, as `left` gives them.
      config: with values for them.
      videos: of an epoch.
    """
    flat = flatten(config)
    shown = {name: ",".join(f"{v:g}" for v in flat[name]) if name == "optim.learning_rates" else flat[name]
             for name in names}  # fmt: skip
    listing = ", ".join(f"{name}={value}" for name, value in shown.items())
    return f"Chosen for {videos:,} training videos: {listing}; what is set is left as it is"


def _epochs(videos, *, trained):
    """Enough steps where there are few videos; where there are many, enough looks at each."""
    return min(40, 10 + 1000 // videos) if trained else min(80, 30 + 1500 // videos)


def _batch(videos, fits, parts):
    wanted = 8 if videos < 500 else 16 if videos < 2000 else 32
    while fits and wanted > fits and wanted > parts:
        wanted //= 2
    return -(-wanted // parts) * parts


def _rates(schedule, first):
    count = {0: 3}.get(SCHEDULES[schedule], SCHEDULES[schedule])
    return tuple(round(first * FALL ** (-i / max(1, count - 1)), 10) for i in range(count))
