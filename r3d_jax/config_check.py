"""Which settings of a run cannot work together: `check` refuses them."""

import dataclasses
from types import SimpleNamespace

from r3d_jax.config import SCHEDULES, Config
from r3d_jax.errors import InputError
from r3d_jax.settings import check_rules, check_settings
from r3d_jax.video.clips import CLIP_RULES

# What goes beyond one setting's own range. `c` has the sections, and what `check` derives.
RULES = (
    (lambda c: 0 < c.data.test_share < 1, "`data.test_share` (={c.data.test_share}) must be between 0 and 1"),
    (lambda c: not c.data.multi_label or c.data.name == "video_folder",
     "`data.multi_label` (=True) is for a table of your own (`data.name` video_folder): each video of "
     "{c.data.name} has one label"),
    (lambda c: not c.data.multi_label
     or (not c.train.label_smoothing and c.train.class_weights == "none" and not c.train.balanced_sampling),
     "`data.multi_label` (=True) goes with none of `train.label_smoothing`, `train.class_weights` and "
     "`train.balanced_sampling`, which are for one label each"),
    (lambda c: not c.augment.strides
     or (len(c.augment.strides) == 2 and 1 <= c.augment.strides[0] <= c.augment.strides[1]),
     "`augment.strides` (={c.augment.strides}) must be the first and the last stride, from 1"),
    (lambda c: not c.augment.area or (len(c.augment.area) == 2 and 0 < c.augment.area[0] <= c.augment.area[1]),
     "`augment.area` (={c.augment.area}) must be the first and the last part, above 0 and at most 1"),
    (lambda c: 0 < c.augment.aspect[0] <= c.augment.aspect[1],
     "`augment.aspect` (={c.augment.aspect}) must be the first and the last width over height, above 0"),
    (lambda c: not c.train.batch_size % c.augment.repeats,
     "`train.batch_size` (={c.train.batch_size}) must be divisible by `augment.repeats` (={c.augment.repeats})"),
    (lambda c: min(c.augment.jitter) >= 0 and c.augment.jitter[3] <= 0.5,
     "`augment.jitter` (={c.augment.jitter}) must be at least 0, and its last value at most 0.5"),
    (lambda c: 0 <= c.augment.erase <= 1, "`augment.erase` (={c.augment.erase}) must be a probability, from 0 to 1"),
    (lambda c: not (c.augment.mixup or c.augment.cutmix) or not c.train.batch_size // c.processes % 2,
     "`train.batch_size` (={c.train.batch_size}) must be even{c.in_each}: `augment.mixup` and `augment.cutmix` "
     "mix pairs of clips"),
    *CLIP_RULES,
    (lambda c: c.model.dropout < 1, "`model.dropout` (={c.model.dropout}) must be at least 0 and below 1"),
    (lambda c: len(c.model.mean) == len(c.model.std),
     "`model.mean` (={c.model.mean}) and `model.std` (={c.model.std}) must be set together, one value for each "
     "channel"),
    (lambda c: not c.train.batch_size % c.parts,
     "`train.batch_size` (={c.train.batch_size}) must be divisible by the {c.devices} devices{c.on_each}; try "
     "{c.fitting}"),
    (lambda c: c.optim.schedule != "multistep" or len(c.optim.learning_rates) == len(c.optim.milestones) + 1,
     "`optim.learning_rates` (={c.optim.learning_rates}) must have one value more than `optim.milestones` "
     "(={c.optim.milestones})"),
    (lambda c: c.optim.schedule != "multistep" or (list(c.optim.milestones) == sorted(set(c.optim.milestones))
                                                   and min(c.optim.milestones, default=1) >= 1),
     "`optim.milestones` (={c.optim.milestones}) must be rising epochs from 1"),
    (lambda c: not c.optim.learning_rates
     or len(c.optim.learning_rates) == (SCHEDULES[c.optim.schedule] or len(c.optim.learning_rates)),
     "`optim.learning_rates` (={c.optim.learning_rates}) must have {c.rates} values for `{c.optim.schedule}`"),
    (lambda c: not c.train.epochs or c.optim.warmup_epochs < c.train.epochs,
     "`optim.warmup_epochs` (={c.optim.warmup_epochs}) must be below `train.epochs` (={c.train.epochs})"),
    (lambda c: not c.optim.nesterov or c.optim.momentum,
     "`optim.nesterov` (=True) needs a momentum; set `optim.momentum` above 0"),
    (lambda c: max(c.optim.betas) < 1, "`optim.betas` (={c.optim.betas}) must be at least 0 and below 1"),
    (lambda c: c.train.label_smoothing < 1,
     "`train.label_smoothing` (={c.train.label_smoothing}) must be at least 0 and below 1"),
    (lambda c: c.train.ema_decay < 1, "`train.ema_decay` (={c.train.ema_decay}) must be at least 0 and below 1"),
    (lambda c: not c.finetune.probe or c.finetune.source,
     "`finetune.probe` (=True) would read features of a random trunk; set `finetune.source`"),
    (lambda c: not c.finetune.probe or not any(c.model.pool),
     "`finetune.probe` (=True) trains on features of whole clips, and `model.pool` (={c.model.pool}) pools parts of "
     "them; set it to (0, 0, 0)"),
    (lambda c: not c.finetune.probe or not (c.augment.mixup or c.augment.cutmix),
     "`finetune.probe` (=True) trains on clips of one class, and `augment.mixup` and `augment.cutmix` mix them; set "
     "both to 0"),
    (lambda c: not c.finetune.probe or not c.data.multi_label,
     "`finetune.probe` (=True) trains on videos of one class each, and `data.multi_label` is set; train with "
     "`finetune.freeze_trunk` instead"),
    (lambda c: not c.finetune.probe or c.processes == 1,
     "`finetune.probe` (=True) trains in one process, and here are {c.processes}; start it alone"),
    (lambda c: not c.finetune.probe or not (c.train.ema_decay or c.train.precise_bn_batches or c.train.label_smoothing
                                            or c.train.class_weights != "none"),
     "`finetune.probe` (=True) fits the head at once, without steps, and goes with none of `train.ema_decay`, "
     "`train.precise_bn_batches`, `train.label_smoothing` and `train.class_weights`"),
    (lambda c: not c.finetune.freeze_trunk or c.finetune.source,
     "`finetune.freeze_trunk` (=True) would keep a random trunk; set `finetune.source`"),
    (lambda c: not c.finetune.freeze_until or c.finetune.source,
     "`finetune.freeze_until` (={c.finetune.freeze_until}) would keep random blocks; set `finetune.source`"),
    (lambda c: not c.finetune.head_first or c.finetune.source,
     "`finetune.head_first` (={c.finetune.head_first}) would train the head on a random trunk; set `finetune.source`"),
    (lambda c: c.finetune.batch_norm != "frozen" or c.finetune.source,
     "`finetune.batch_norm` (=frozen) would keep the statistics of no network; set `finetune.source`"),
)  # fmt: skip


def check(config: Config, devices: int, processes: int = 1) -> None:
    """Raises InputError for the first setting that cannot work on `devices` devices of so many `processes`."""
    if config.clip is None:
        raise InputError("`clip` (=None) stands for that of `finetune.source`; set it to `load(source).clip`")
    sections = {each.name: getattr(config, each.name) for each in dataclasses.fields(config)}
    for name, section in sections.items():
        check_settings(section, name)
    train, optim = config.train, config.optim
    parts = devices * train.gradient_accumulation
    derived = {"devices": devices, "processes": processes, "parts": parts, "rates": SCHEDULES[optim.schedule] or "some"}
    derived["in_each"] = f" in each of the {processes} processes" if processes > 1 else ""
    accumulated = train.gradient_accumulation
    derived["on_each"] = f", {accumulated} `train.gradient_accumulation` on each" if accumulated > 1 else ""
    derived["fitting"] = max(parts, train.batch_size // parts * parts)
    check_rules(RULES, SimpleNamespace(**sections, **derived))
