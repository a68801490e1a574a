import pytest

from r3d_jax.config import Config
from r3d_jax.config_check import check
from r3d_jax.errors import InputError


def changed(name, value):
    section, field = name.split(".")
    config = Config()
    setattr(getattr(config, section), field, value)
    return config


def test_the_defaults_are_sound():
    check(Config(), 1)


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("data.name", "ucf11", "`data.name` (='ucf11') must be ucf101, hmdb51, kinetics, video_folder or demo"),
        ("clip.train_sizes", ("a", "b"), "`clip.train_sizes` (=('a', 'b')) must be of type tuple[int, int]"),
        ("clip.crops", 5, "`clip.crops` (=5) must be 1, 3 or 10"),
        ("clip.frame_rate", -1.0, "`clip.frame_rate` (=-1.0) must be at least 0"),
        ("data.key_every", 0, "`data.key_every` (=0) must be at least 1"),
        ("augment.strides", (2,), "`augment.strides` (=(2,)) must be the first and the last stride, from 1"),
        ("augment.strides", (3, 2), "must be the first and the last stride"),
        ("augment.magnitude", 11.0, "`augment.magnitude` (=11.0) must be at most 10"),
        ("augment.jitter", (0.4, 0.4, 0.4, 0.6), "must be at least 0, and its last value at most 0.5"),
        ("augment.erase", 1.5, "`augment.erase` (=1.5) must be a probability, from 0 to 1"),
        ("augment.mixup", -0.1, "`augment.mixup` (=-0.1) must be at least 0"),
        ("clip.train_sizes", (128, 160, 3), "must be of type tuple[int, int]"),
        ("clip.train_sizes", (160, 128), "`clip.train_sizes` (=(160, 128)) must rise from at least `clip.crop` (=112)"),
        ("clip.train_sizes", (100, 128), "must rise from at least `clip.crop` (=112)"),
        ("data.test_share", 1.0, "`data.test_share` (=1.0) must be between 0 and 1"),
        ("clip.frames", 0, "`clip.frames` (=0) must be at least 1"),
        ("clip.flip", 1.5, "`clip.flip` (=1.5) must be a probability"),
        ("model.dropout", 1.0, "`model.dropout` (=1.0) must be at least 0 and below 1"),
        ("train.epochs", 2.5, "`train.epochs` (=2.5) must be of type int"),
        ("train.epochs", True, "`train.epochs` (=True) must be of type int"),
        ("train.sync_batch_norm", "no", "`train.sync_batch_norm` (='no') must be of type bool"),
        (
            "train.batch_size",
            5,
            "`train.batch_size` (=5) must be divisible by the 2 devices; try 4",
        ),
        (
            "train.batch_size",
            1,
            "`train.batch_size` (=1) must be divisible by the 2 devices; try 2",
        ),
        ("optim.learning_rates", (0.1,), "must have one value more than `optim.milestones` (=(20, 40))"),
        ("optim.milestones", (40, 20), "`optim.milestones` (=(40, 20)) must be rising epochs from 1"),
        ("optim.weight_decay", -1, "`optim.weight_decay` (=-1) must be at least 0"),
        (
            "optim.schedule",
            "cosin",
            "`optim.schedule` (='cosin') must be multistep, step, linear, cosine or ",
        ),
        ("optim.schedule", "cosine", "`optim.learning_rates` (=(0.1, 0.01, 0.001)) must have 2 values for `cosine`"),
        ("optim.update", "batch", "`optim.update` (='batch') must be step or epoch"),
        ("optim.warmup_epochs", 45, "`optim.warmup_epochs` (=45) must be below `train.epochs` (=45)"),
        ("optim.power", -1.0, "`optim.power` (=-1.0) must be at least 0"),
        ("model.planes", -1, "`model.planes` (=-1) must be at least 0"),
        ("finetune.trunk_factor", -0.5, "`finetune.trunk_factor` (=-0.5) must be at least 0"),
        ("finetune.freeze_trunk", True, "would keep a random trunk; set `finetune.source`"),
        ("finetune.probe", True, "(=True) would read features of a random trunk; set `finetune.source`"),
        ("finetune.freeze_until", "stem", "(=stem) would keep random blocks; set `finetune.source`"),
        ("finetune.head_first", 0.5, "(=0.5) would train the head on a random trunk; set `finetune.source`"),
        ("finetune.batch_norm", "frozen", "(=frozen) would keep the statistics of no network; set `finetune.source`"),
        ("optim.learning_rates", (), "must have one value more than `optim.milestones` (=(20, 40))"),
        ("optim.layer_decay", -0.5, "`optim.layer_decay` (=-0.5) must be at least 0"),
        ("optim.layer_decay", 1.5, "`optim.layer_decay` (=1.5) must be at most 1"),
        ("optim.name", "adam", "`optim.name` (='adam') must be sgd or adamw"),
        ("optim.betas", (0.9, 1.0), "`optim.betas` (=(0.9, 1.0)) must be at least 0 and below 1"),
        ("optim.betas", (-0.1, 0.9), "`optim.betas` (=(-0.1, 0.9)) must be at least 0"),
        ("optim.clip_norm", -1.0, "`optim.clip_norm` (=-1.0) must be at least 0"),
        ("train.label_smoothing", 1.0, "`train.label_smoothing` (=1.0) must be at least 0 and below 1"),
        ("train.class_weights", "even", "`train.class_weights` (='even') must be none or balanced"),
        ("train.ema_decay", 1.0, "`train.ema_decay` (=1.0) must be at least 0 and below 1"),
        ("augment.area", (0.0, 1.0), "`augment.area` (=(0.0, 1.0)) must be the first and the last part, above 0"),
        ("augment.area", (0.5,), "`augment.area` (=(0.5,)) must be the first and the last part"),
        ("augment.area", (0.5, 1.5), "`augment.area` (=(0.5, 1.5)) must be at most 1"),
        ("augment.aspect", (2.0, 1.0), "`augment.aspect` (=(2.0, 1.0)) must be the first and the last width over"),
        ("augment.repeats", 3, "`train.batch_size` (=8) must be divisible by `augment.repeats` (=3)"),
        ("model.mean", (0.5,), "must be set together"),
        ("eval.every", 0, "`eval.every` (=0) must be at least 1"),
        ("eval.views_at_once", -1, "`eval.views_at_once` (=-1) must be at least 0"),
        (
            "train.gradient_accumulation",
            3,
            "divisible by the 2 devices, 3 `train.gradient_accumulation` on each; try 6",
        ),
        ("train.dtype", "float16", "`train.dtype` (='float16') must be float32 or bfloat16"),
    ],
)
def test_what_cannot_work_is_refused_with_the_value(name, value, message):
    with pytest.raises(InputError) as error:
        check(changed(name, value), 2)
    assert message in str(error.value)


def test_a_clip_that_has_not_been_taken_from_the_source_is_refused():
    with pytest.raises(InputError, match=r"`clip` .=None. stands for that of `finetune.source`; set it to `load"):
        check(Config(clip=None), 1)


@pytest.mark.parametrize(
    "name, value", [("label_smoothing", 0.1), ("class_weights", "balanced"), ("balanced_sampling", True)]
)
def test_what_is_for_one_label_each_is_refused_for_several(name, value):
    config = changed("data.multi_label", True)
    config.data.name = "video_folder"
    check(config, 1)
    setattr(config.train, name, value)
    with pytest.raises(InputError, match=r"`data.multi_label` .=True. goes with none of `train.label_smoothing`, "):
        check(config, 1)


@pytest.mark.parametrize(
    "name, value, processes, message",
    [
        ("model.pool", (1, 7, 7), 1, r"`model.pool` .=.1, 7, 7.. pools parts of them; set it to .0, 0, 0."),
        ("augment.cutmix", 0.5, 1, r"trains on clips of one class, and `augment.mixup` and `augment.cutmix` mix them"),
        (
            "data.multi_label",
            True,
            1,
            r"videos of one class each, and `data.multi_label` is set; train with `finetune.f",
        ),
        ("train.ema_decay", 0.9, 1, "fits the head at once, without steps, and goes with none of `train.ema_decay`"),
        ("train.precise_bn_batches", 2, 1, "goes with none of"),
        ("train.label_smoothing", 0.1, 1, "goes with none of"),
        ("train.class_weights", "balanced", 1, "goes with none of"),
        ("train.seed", 1, 2, r"trains in one process, and here are 2; start it alone"),
    ],
)
def test_a_probe_takes_whole_clips_of_one_class_in_one_process(name, value, processes, message):
    config = changed("finetune.probe", True)
    config.finetune.source, config.model.pool, config.data.name = "runs/mine", (0, 0, 0), "video_folder"
    check(config, 1)
    section, field = name.split(".")
    setattr(getattr(config, section), field, value)
    with pytest.raises(InputError, match=f"`finetune.probe` .=True. .*{message}"):
        check(config, 1, processes=processes)


def test_nesterov_needs_a_momentum():
    config = changed("optim.momentum", 0.0)
    config.optim.nesterov = True
    with pytest.raises(InputError, match="needs a momentum"):
        check(config, 1)


def test_crops_fit_and_mixing_takes_pairs():
    config = changed("clip.crops", 10)
    config.clip.test_size = 100
    with pytest.raises(InputError, match=r"`clip.crop` .=112. must be at most `clip.test_size` .=100., from which ten"):
        check(config, 1)
    config = changed("clip.test_crop", 112)
    check(config, 1)
    config.clip.crops = 3
    with pytest.raises(
        InputError, match=r"`clip.test_crop` .=112. is for one crop, and `clip.crops` is 3; set it to 0"
    ):
        check(config, 1)
    with pytest.raises(InputError, match=r"`clip.test_crop` .=130. must be at most `clip.test_size` .=128., the short"):
        check(changed("clip.test_crop", 130), 1)
    config = changed("augment.cutmix", 1.0)
    config.train.batch_size = 7
    with pytest.raises(InputError, match=r"`train.batch_size` .=7. must be even: .*mix pairs of clips"):
        check(config, 1)
    config.train.batch_size = 6
    check(config, 2, processes=1)
    with pytest.raises(InputError, match=r"`train.batch_size` .=6. must be even in each of the 2 processes"):
        check(config, 2, processes=2)
