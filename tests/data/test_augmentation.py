import colorsys
from functools import partial
from itertools import permutations

import numpy as np
import pytest

from r3d_jax.data.augmentation import OPERATIONS, augment, color_jitter, mix_pairs, rand_augment, random_erase

OFF = {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}
LUMA = [0.299, 0.587, 0.114]
FUNCTIONS = {
    "jitter": partial(color_jitter, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),
    "rand_augment": partial(rand_augment, operations=2, magnitude=9),
    "erase": partial(random_erase, probability=0.9),
    "augment": partial(augment, jitter=(0.4, 0.4, 0.4, 0.1), operations=2, magnitude=9, erase=0.5),
}
SIGNED = {"rotate", "color", "contrast", "brightness", "sharpness", "shear_x", "shear_y", "translate_x", "translate_y"}
every_function = pytest.mark.parametrize("change", FUNCTIONS.values(), ids=FUNCTIONS)
each_sign = pytest.mark.parametrize("sign", [-1, 1])


def draws(seed=0):
    return np.random.default_rng(seed)


def noise(*shape, low=0, high=256, seed=0):
    return draws(seed).integers(low, high, shape, np.uint8)


CLIP = noise(3, 24, 32, 3)
MILD = noise(2, 16, 20, 3, low=100, high=150)  # no factor up to 1.5 takes it out of 0 to 255


def same(one, other):
    return np.array_equal(one, other)


def grey(clip):
    return clip @ np.array(LUMA)


def factor_of(changed, base, x, error=0.501):
    """The factor that makes `changed` base + factor * x within `error`: there must be one."""
    base, x = np.broadcast_to(base, x.shape), x.astype(float)
    away = np.abs(x) > 0.01
    ends = np.stack([changed - base - error, changed - base + error])[:, away] / x[away]
    low, high = ends.min(0).max(), ends.max(0).min()
    assert low <= high and (np.abs(changed - base)[~away] < error + 0.1).all()
    return (low + high) / 2


# what holds for every function of one clip


@every_function
def test_equal_frames_stay_equal(change):
    still = np.repeat(CLIP[:1], 4, axis=0)
    for seed in range(40):
        changed = change(still, draws(seed))
        assert all(same(frame, changed[0]) for frame in changed[1:])


@every_function
def test_a_clip_is_not_modified_and_becomes_a_clip_of_its_shape(change):
    clip = CLIP.copy()
    for seed in range(40):
        changed = change(clip, draws(seed))
        assert changed.shape == clip.shape and changed.dtype == np.uint8 and changed.flags.c_contiguous
    assert same(clip, CLIP)


@every_function
def test_a_view_is_as_good_as_a_copy(change):
    mirrored = CLIP[:, :, ::-1]
    mirrored.flags.writeable = False
    for seed in range(20):
        changed = change(mirrored, draws(seed))
        assert same(changed, change(mirrored.copy(), draws(seed))) and changed.flags.c_contiguous


@every_function
def test_the_generator_decides(change):
    results = [change(CLIP, draws(seed)) for seed in range(20)]
    assert all(same(change(CLIP, draws(seed)), result) for seed, result in enumerate(results))
    assert len({result.tobytes() for result in results}) >= 17  # some may be left as they are


def test_what_is_off_changes_nothing():
    for change in (
        partial(color_jitter, **OFF),
        partial(rand_augment, operations=0, magnitude=9),
        partial(random_erase, probability=0),
        partial(augment, jitter=(0, 0, 0, 0), operations=0, magnitude=9, erase=0),
    ):
        assert all(same(change(CLIP, draws(seed)), CLIP) for seed in range(20))
        mirrored = change(CLIP[:, :, ::-1], draws())
        assert same(mirrored, CLIP[:, :, ::-1]) and mirrored.flags.c_contiguous


# color_jitter


def test_brightness_scales():
    jitter = partial(color_jitter, **OFF | {"brightness": 0.4})
    factors = [factor_of(jitter(MILD, draws(seed)), 0, MILD) for seed in range(100)]
    assert 0.595 < min(factors) < 0.63 and 1.37 < max(factors) < 1.405


def test_contrast_blends_with_the_clips_mean_grey():
    jitter, mean = partial(color_jitter, **OFF | {"contrast": 0.4}), grey(MILD).mean()
    factors = [factor_of(jitter(MILD, draws(seed)), mean, MILD - mean) for seed in range(100)]
    assert 0.58 < min(factors) < 0.63 and 1.37 < max(factors) < 1.42


def test_contrast_is_that_of_the_clip_and_not_of_its_frames():
    clip = np.stack([np.full((8, 8, 3), 60, np.uint8), np.full((8, 8, 3), 180, np.uint8)])
    for seed in range(10):
        dark, bright = color_jitter(clip, draws(seed), **OFF | {"contrast": 0.5})[:, 0, 0, 0].astype(int)
        assert dark != 60 and abs(dark + bright - 240) <= 1


def test_saturation_blends_with_each_pixels_grey():
    jitter, own = partial(color_jitter, **OFF | {"saturation": 0.4}), grey(MILD)[..., None]
    factors = [factor_of(jitter(MILD, draws(seed)), own, MILD - own, error=0.7) for seed in range(100)]
    assert 0.58 < min(factors) < 0.63 and 1.37 < max(factors) < 1.42


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_no_factor_is_negative(name):
    rising = np.sort(MILD, axis=-1)
    for seed in range(60):
        changed = color_jitter(rising, draws(seed), **OFF | {name: 3})
        assert (np.diff(changed.astype(int), axis=-1) >= -1).all()


def test_hue_turns_the_colour_circle():
    clip = noise(1, 12, 12, 3)
    clip[..., 0] = np.maximum(clip[..., 0], 128)
    hsv = [colorsys.rgb_to_hsv(*pixel) for pixel in clip.reshape(-1, 3) / 255]
    red = np.full((1, 12, 12, 3), (255, 0, 0), np.uint8)
    turns = []
    for seed in range(60):
        jitter = partial(color_jitter, **OFF | {"hue": 0.2})
        turn = colorsys.rgb_to_hsv(*jitter(red, draws(seed))[0, 0, 0] / 255)[0]
        expected = np.array([colorsys.hsv_to_rgb((hue + turn) % 1, s, v) for hue, s, v in hsv]) * 255
        assert np.abs(jitter(clip, draws(seed)).reshape(-1, 3) - expected).max() <= 6.5  # eight bits of hue
        turns.append((turn + 0.5) % 1 - 0.5)
    assert -0.205 <= min(turns) < -0.18 and 0.18 < max(turns) <= 0.205


def test_a_turn_of_nothing_is_the_colours_again_within_the_error_of_eight_bits():
    for seed in range(3):
        changed = color_jitter(CLIP, draws(seed), **OFF | {"hue": 1e-9}).astype(int)
        assert np.abs(changed - CLIP).max() <= 6 and np.abs(changed - CLIP).mean() < 0.4


def test_grey_keeps_its_hue_and_saturation():
    clip = np.repeat(noise(2, 16, 16, 1), 3, axis=-1)
    for seed in range(20):
        changed = color_jitter(clip, draws(seed), **OFF | {"saturation": 1, "hue": 0.5})
        assert np.abs(changed.astype(int) - clip).max() <= 1


def test_the_order_is_random_and_what_is_off_does_not_change_the_others():
    clip = CLIP[:1, :12, :12]
    strengths = {"brightness": 0.9, "contrast": 0.9, "saturation": 0.9, "hue": 0.5}
    seen = set()
    for seed in range(30):
        everything = color_jitter(clip, draws(seed), **strengths)
        possible = {}
        for order in permutations(strengths):
            changed = clip
            for name in order:
                changed = color_jitter(changed, draws(seed), **OFF | {name: strengths[name]})
            possible[order] = changed
        matching = [order for order, changed in possible.items() if same(changed, everything)]
        assert matching
        seen |= set(matching) if len(matching) == 1 else set()
    assert len(seen) > 10


# rand_augment


def test_every_operation_is_drawn_with_either_sign():
    clip = CLIP[:2] // 2 + 50
    expected = {
        operation(clip, level).tobytes(): (name, level if name in SIGNED else 0.7)
        for name, operation in OPERATIONS.items()
        for level in (-0.7, 0.7)
    }
    drawn = [rand_augment(clip, draws(seed), operations=1, magnitude=7).tobytes() for seed in range(1000)]
    counts = {key: drawn.count(result) for result, key in expected.items()}
    assert sum(counts.values()) == 1000 and len(counts) == 14 + len(SIGNED) and len(OPERATIONS) == 14
    for name in OPERATIONS:  # 71 each are expected
        assert 40 < sum(count for key, count in counts.items() if key[0] == name) < 105
    for name in SIGNED:
        assert min(counts[name, -0.7], counts[name, 0.7]) > 15


def test_operations_are_drawn_one_after_the_other():
    for seed in range(20):
        one_by_one, rng = CLIP, draws(seed)
        for _ in range(3):
            one_by_one = rand_augment(one_by_one, rng, operations=1, magnitude=5)
        assert same(rand_augment(CLIP, draws(seed), operations=3, magnitude=5), one_by_one)


@pytest.mark.parametrize("name", OPERATIONS)
def test_magnitude_0_changes_nothing_that_has_a_magnitude(name):
    assert same(OPERATIONS[name](MILD, 0.0), MILD) == (name not in ("auto_contrast", "equalize"))


@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - {"identity"}))
def test_magnitude_10_changes_much(name):
    for level in (-1.0, 1.0):
        assert np.abs(OPERATIONS[name](MILD, level).astype(int) - MILD).mean() > 2


@each_sign
def test_enhancements_at_full_strength(sign):
    factor = 1 + 0.9 * sign
    mean, own_grey = grey(CLIP).mean(), grey(CLIP)[..., None]
    for name, base in {"brightness": 0, "contrast": mean, "color": own_grey}.items():
        expected = np.clip(base + factor * (CLIP - base), 0, 255)
        assert np.abs(OPERATIONS[name](CLIP, float(sign)) - expected).max() <= 0.8


@each_sign
def test_sharpness_blends_with_a_smoothed_frame(sign):
    factor = 1 + 0.9 * sign
    around = sum(np.roll(MILD.astype(float), (y, x), (1, 2)) for y in (-1, 0, 1) for x in (-1, 0, 1))
    smooth = (around + 4.0 * MILD) / 13
    expected = np.clip(smooth + factor * (MILD - smooth), 0, 255)
    inside = np.s_[:, 1:-1, 1:-1]
    assert np.abs(OPERATIONS["sharpness"](MILD, float(sign)) - expected)[inside].max() <= 0.51
    flat = np.full((2, 8, 8, 3), 77, np.uint8)
    assert same(OPERATIONS["sharpness"](flat, float(sign)), flat)


@each_sign
def test_solarizing_and_posterizing(sign):
    values = CLIP.astype(int)
    assert same(OPERATIONS["solarize"](CLIP, sign * 0.25), np.where(values < 192, values, 255 - values))
    assert same(OPERATIONS["solarize"](CLIP, sign * 1.0), 255 - values)
    assert same(OPERATIONS["posterize"](CLIP, sign * 0.5), values // 4 * 4)
    assert same(OPERATIONS["posterize"](CLIP, sign * 1.0), values // 16 * 16)


def test_auto_contrast_stretches_each_channel_of_the_whole_clip():
    clip = np.stack([noise(9, 9, 3, low=50, high=100), noise(9, 9, 3, low=100, high=150)])
    clip[..., 1] //= 2
    low, high = clip.min((0, 1, 2)).astype(float), clip.max((0, 1, 2))
    changed = OPERATIONS["auto_contrast"](clip, 0.5)
    assert np.abs(changed - (clip - low) * 255 / (high - low)).max() <= 0.51
    assert changed[0].max() < 140 and changed[1].min() > 110


def test_equalizing_spreads_each_channel_of_the_whole_clip_evenly():
    frames = [draws(i).normal(mean, 10, (32, 32, 3)).astype(np.uint8) for i, mean in enumerate((80, 120))]
    clip = np.stack(frames)
    changed = OPERATIONS["equalize"](clip, 0.5)
    for channel in range(3):
        pairs = set(zip(clip[..., channel].ravel().tolist(), changed[..., channel].ravel().tolist()))
        assert len(pairs) == len({before for before, _ in pairs})  # a value becomes the same one in both frames
        assert [after for _, after in sorted(pairs)] == sorted(after for _, after in pairs)
        for value in (32, 64, 128, 192):
            assert abs((changed[..., channel] <= value).mean() - value / 255) < 0.04
        assert changed[..., channel].min() == 0 and changed[..., channel].max() == 255


def test_equalizing_makes_the_lowest_value_black():
    clip = np.array([10, 20, 10, 20, 10, 40], np.uint8)[:, None, None, None].repeat(3, -1)
    assert OPERATIONS["equalize"](clip, 0.5)[..., 0].ravel().tolist() == [0, 170, 0, 170, 0, 255]


def test_a_clip_of_one_colour_cannot_be_stretched():
    flat = np.full((2, 8, 8, 3), (10, 128, 255), np.uint8)
    for name in ("auto_contrast", "equalize"):
        assert same(OPERATIONS[name](flat, 0.5), flat)


def square_at(x, y):
    """A white square around (x, y) from the centre of a clip of black frames of 81 x 101."""
    clip = np.zeros((2, 81, 101, 3), np.uint8)
    clip[:, 40 + y - 2 : 40 + y + 3, 50 + x - 2 : 50 + x + 3] = 255
    return clip


def centre_of_square(clip):
    """Where the white is, from the centre, in each frame's red channel."""
    weight = np.maximum(clip[..., 0].astype(float) - 128, 0)
    y, x = np.mgrid[-40:41, -50:51]
    return np.stack([(weight * x).sum((1, 2)), (weight * y).sum((1, 2))], -1) / weight.sum((1, 2))[:, None]


SINE, COSINE = np.sin(np.pi / 6), np.cos(np.pi / 6)


@pytest.mark.parametrize(
    ("name", "level", "before", "after"),
    [
        ("rotate", 1.0, (20, 0), (20 * COSINE, 20 * SINE)),
        ("rotate", -1.0, (20, 0), (20 * COSINE, -20 * SINE)),
        ("rotate", 0.5, (0, 0), (0, 0)),
        ("shear_x", 1.0, (5, 20), (11, 20)),
        ("shear_x", -0.5, (5, 20), (2, 20)),
        ("shear_y", 1.0, (20, 5), (20, 11)),
        ("shear_y", -0.5, (20, 5), (20, 2)),
        ("translate_x", 0.4, (5, 8), (5 + 0.18 * 101, 8)),
        ("translate_x", -1.0, (30, 8), (30 - 0.45 * 101, 8)),
        ("translate_y", 0.4, (5, 8), (5, 8 + 0.18 * 81)),
        ("translate_y", -1.0, (5, 30), (5, 30 - 0.45 * 81)),
    ],
)
def test_geometry_moves_a_square(name, level, before, after):
    moved = OPERATIONS[name](square_at(*before), level)
    np.testing.assert_allclose(centre_of_square(moved), [after, after], atol=0.15)


def test_what_a_shift_uncovers_is_grey():
    moved = OPERATIONS["translate_x"](np.zeros((2, 40, 40, 3), np.uint8), 1.0)
    assert (moved[:, :, :18] == 128).all() and (moved[:, :, 18:] == 0).all()


# random_erase


def erased_box(clip, rng):
    """Height, width, top and left of what `random_erase` filled in a black clip."""
    changed = random_erase(clip, rng, probability=1)
    filled = changed[0].any(-1)
    rows, columns = np.flatnonzero(filled.any(1)), np.flatnonzero(filled.any(0))
    height, width = int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1
    assert filled.sum() == height * width  # all of the box is filled
    assert all(same(frame, changed[0]) for frame in changed)
    return height, width, int(rows[0]), int(columns[0])


@pytest.mark.parametrize("shape", [(64, 64), (60, 90)])
def test_erased_areas_and_aspects_are_within_their_limits(shape):
    clip = np.zeros((2, *shape, 3), np.uint8)
    heights, widths, tops, lefts = np.array([erased_box(clip, draws(seed)) for seed in range(300)]).T
    area, aspect = heights * widths / np.prod(shape), heights / widths
    assert 0.016 < area.min() < 0.03 and 0.31 < area.max() < 0.345
    assert 0.27 < aspect.min() < 0.36 and 2.8 < aspect.max() < 3.7
    assert 0.4 < (aspect < 1).mean() < 0.6  # as often wide as high
    assert tops.min() < 2 and lefts.min() < 2 and tops.max() > 0.7 * shape[0] and lefts.max() > 0.7 * shape[1]
    assert (tops + heights).max() > shape[0] - 2 and (lefts + widths).max() > shape[1] - 2


@pytest.mark.parametrize("shape", [(6, 120), (120, 6), (2, 2)])
def test_a_box_is_found_in_frames_of_any_shape(shape):
    clip = np.zeros((1, *shape, 3), np.uint8)
    for seed in range(60):
        erased_box(clip, draws(seed))


def test_erased_pixels_are_random():
    changed = random_erase(np.zeros((1, 64, 64, 3), np.uint8), draws(1), probability=1)
    pixels = changed[changed.any(-1)].astype(float)
    assert len(pixels) > 80 and (np.abs(pixels.mean(0) - 127.5) < 25).all() and (pixels.std(0) > 60).all()
    assert abs(np.corrcoef(pixels.T)[0, 1]) < 0.3


def test_the_probability_of_erasing():
    erased = sum(not same(random_erase(CLIP, draws(seed), probability=0.25), CLIP) for seed in range(400))
    assert 70 < erased < 130


# mix_pairs


def batch_of(size, seed=0):
    return {"clip": noise(size, 2, 16, 20, 3, seed=seed), "label": np.arange(size, dtype=np.int32) * 10, "name": "kept"}


def seeded(*seeds):
    return [draws(seed) for seed in seeds]


def pixels_left(batch, mixed):
    """Of each clip and frame: where its own pixels are left."""
    return (mixed["clip"] == batch["clip"]).all(-1)


KINDS = {"mixup": {"mixup": 0.8, "cutmix": 0}, "cutmix": {"mixup": 0, "cutmix": 1}, "both": {"mixup": 0.8, "cutmix": 1}}
every_kind = pytest.mark.parametrize("alphas", KINDS.values(), ids=KINDS)


@every_kind
def test_a_mixed_batch_has_partners_and_shares(alphas):
    batch = batch_of(6)
    mixed = mix_pairs(batch, seeded(1, 2, 3), **alphas)
    assert mixed.keys() == {"clip", "label", "name", "other", "weight"} and mixed["name"] == "kept"
    assert mixed["label"].tolist() == [0, 10, 20, 30, 40, 50] and mixed["other"].tolist() == [10, 0, 30, 20, 50, 40]
    assert mixed["other"].dtype == np.int32 and mixed["weight"].dtype == np.float32
    assert mixed["weight"].shape == (6,) and ((mixed["weight"] >= 0) & (mixed["weight"] <= 1)).all()
    assert same(mixed["weight"][::2], mixed["weight"][1::2])
    assert mixed["clip"].shape == batch["clip"].shape and mixed["clip"].dtype == np.uint8
    assert mixed["clip"].flags.c_contiguous
    assert batch.keys() == {"clip", "label", "name"} and same(batch["clip"], batch_of(6)["clip"])


def test_mixup_blends_by_the_share():
    batch = batch_of(40)
    mixed = mix_pairs(batch, seeded(*range(20)), mixup=0.8, cutmix=0)
    own, other = batch["clip"].astype(float), batch["clip"][np.arange(40) ^ 1].astype(float)
    share = mixed["weight"].astype(float)[:, None, None, None, None]
    assert np.abs(mixed["clip"] - (share * own + (1 - share) * other)).max() <= 0.501
    assert len(set(mixed["weight"].tolist())) == 20


def test_cutmix_pastes_one_box_and_its_share_is_what_is_left():
    batch = batch_of(120)
    batch["clip"][::2] //= 2
    batch["clip"][1::2] = batch["clip"][1::2] // 2 + 128  # no pixel is its partner's
    mixed = mix_pairs(batch, seeded(*range(60)), mixup=0, cutmix=1)
    own = pixels_left(batch, mixed)
    partners = (mixed["clip"] == batch["clip"][np.arange(120) ^ 1]).all(-1)
    assert (own != partners).all() and same(own[::2], own[1::2]) and same(own[:, 0], own[:, 1])
    np.testing.assert_array_equal(mixed["weight"], own[:, 0].mean((1, 2)).astype(np.float32))
    pasted = partners[::2, 0]
    for box in pasted:
        assert box.sum() == box.any(0).sum() * box.any(1).sum()
        assert (np.diff(np.flatnonzero(box.any(0))) == 1).all() and (np.diff(np.flatnonzero(box.any(1))) == 1).all()
    assert len({box.tobytes() for box in pasted}) > 50
    assert pasted.any(0).all()  # a box may lie anywhere
    assert pasted.mean((1, 2)).min() < 0.1 and pasted.mean((1, 2)).max() > 0.6


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_alpha_is_that_of_a_beta_distribution(name):
    def shares(alpha):
        clips = {"clip": np.zeros((200, 1, 32, 32, 3), np.uint8), "label": np.zeros(200, np.int32)}
        return mix_pairs(clips, seeded(*range(100)), **{"mixup": 0, "cutmix": 0, name: alpha})["weight"][::2]

    even = shares(1000.0)
    assert (np.abs(even - 0.5) < 0.05).all() if name == "mixup" else 0.45 < even.min() < 0.55
    # a box is cut off at the border, which leaves more of a clip than was drawn
    assert (np.abs(shares(0.05) - 0.5) > 0.4).mean() > (0.7 if name == "mixup" else 0.4)


@every_kind
def test_pairs_do_not_depend_on_the_rest_of_the_batch(alphas):
    batch = batch_of(8)
    whole = mix_pairs(batch, seeded(5, 6, 7, 8), **alphas)
    halves = []
    for rows, seeds in ((slice(0, 4), (5, 6)), (slice(4, 8), (7, 8))):
        part = {"clip": batch["clip"][rows], "label": batch["label"][rows]}
        halves.append(mix_pairs(part, seeded(*seeds), **alphas))
    for key in ("clip", "label", "other", "weight"):
        assert same(whole[key], np.concatenate([half[key] for half in halves]))
    assert not same(whole["clip"], mix_pairs(batch, seeded(9, 10, 11, 12), **alphas)["clip"])


def test_with_both_on_each_pair_takes_one():
    batch = batch_of(400)
    mixed = mix_pairs(batch, seeded(*range(200)), mixup=100, cutmix=100)
    left = pixels_left(batch, mixed)[::2].mean((1, 2, 3))
    cut = left > 0.2  # a blend by about a half leaves next to no pixel as it was
    assert 75 < cut.sum() < 125
    assert np.abs(mixed["weight"][::2][cut] - left[cut]).max() < 0.01
    assert (left[~cut] < 0.05).all() and (np.abs(mixed["weight"][::2][~cut] - 0.5) < 0.2).all()


def test_without_mixing_a_clip_is_all_its_own():
    batch = batch_of(3)
    mixed = mix_pairs(batch, seeded(1, 2), mixup=0, cutmix=0)
    assert same(mixed["clip"], batch["clip"]) and same(mixed["other"], batch["label"])
    assert mixed["weight"].tolist() == [1, 1, 1] and mixed["weight"].dtype == np.float32
    assert mixed["other"].dtype == np.int32 and mixed["name"] == "kept"


def test_an_odd_batch_is_refused():
    with pytest.raises(ValueError, match="a batch of 5 "):
        mix_pairs(batch_of(5), seeded(1, 2), mixup=0.8, cutmix=0)


def test_every_pair_needs_a_generator():
    with pytest.raises(ValueError):
        mix_pairs(batch_of(6), seeded(1, 2), mixup=0.8, cutmix=0)


# augment


def test_augment_is_its_parts_in_order_from_one_generator():
    for seed in range(20):
        rng = draws(seed)
        expected = rand_augment(CLIP, rng, operations=2, magnitude=6)
        expected = color_jitter(expected, rng, brightness=0.1, contrast=0.2, saturation=0.3, hue=0.05)
        expected = random_erase(expected, rng, probability=0.5)
        changed = augment(CLIP, draws(seed), jitter=(0.1, 0.2, 0.3, 0.05), operations=2, magnitude=6, erase=0.5)
        assert same(changed, expected)


def test_augment_skips_what_is_off():
    rng = draws(3)
    augment(CLIP, rng, jitter=(0, 0, 0, 0), operations=0, magnitude=9, erase=0)
    assert rng.random() == draws(3).random()
    changed = augment(CLIP, draws(3), jitter=(0, 0, 0, 0), operations=0, magnitude=9, erase=1)
    assert same(changed, random_erase(CLIP, draws(3), probability=1))
    changed = augment(CLIP, draws(3), jitter=(0, 0, 0, 0.3), operations=0, magnitude=9, erase=0)
    assert same(changed, color_jitter(CLIP, draws(3), **OFF | {"hue": 0.3}))
