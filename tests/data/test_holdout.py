from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from r3d_jax.data.holdout import compiled, hold_out, split_of
from r3d_jax.data.listing import Entry
from r3d_jax.errors import InputError


def entries(*names, split=""):
    return [Entry(name, Path("/there") / name, name.split("/")[0], split) for name in names]


def drawn(count, share=0.2, seed=0, classes=4):
    groups = [f"class{i % classes}/{i}.mp4" for i in range(count)]
    return dict(zip(groups, hold_out(groups, [group.split("/")[0] for group in groups], share, seed)))


def test_what_was_held_out_stays_so_when_videos_are_added():
    before = drawn(200)
    for count in (201, 240, 2000):
        after = drawn(count)
        assert {name: after[name] for name in before} == before


def test_about_the_share_of_the_videos_is_drawn_by_the_seed():
    for share in (0.1, 0.2, 0.5, 0.8):
        sides = Counter(drawn(4000, share).values())
        assert abs(sides["test"] / 4000 - share) < 4 * np.sqrt(share * (1 - share) / 4000)
    assert drawn(200) == drawn(200) != drawn(200, seed=1)


def test_the_order_in_which_videos_are_listed_is_nothing():
    groups = [f"run/{i}" for i in range(40)]
    splits = hold_out(groups, ["run"] * 40, 0.2, 0)
    assert hold_out(groups[::-1], ["run"] * 40, 0.2, 0) == splits[::-1]


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.99])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_each_class_has_videos_on_both_sides_however_few(share, count):
    for seed in range(20):
        groups = [f"{label}/{i}" for label in "abc" for i in range(count)]
        labels = [group[0] for group in groups]
        sides = set(zip(labels, hold_out(groups, labels, share, seed)))
        assert sides == {(label, side) for label in "abc" for side in ("train", "test")}


def test_a_group_is_never_torn_and_the_larger_part_of_a_class_is_trained_on():
    groups = [f"g{i}" for i, size in enumerate((9, 4)) for _ in range(size)]
    for seed in range(20):  # of two recordings it is the smaller one that is held out
        assert hold_out(groups, ["run"] * 13, 0.2, seed) == ["train"] * 9 + ["test"] * 4
    rng = np.random.default_rng(0)
    labels = [f"class{label}" for label in rng.integers(0, 5, 400)]
    groups = [f"group{group}" for group in rng.integers(0, 80, 400)]
    splits = hold_out(groups, labels, 0.25, seed=1)
    assert all(len({split for other, split in zip(groups, splits) if other == group}) == 1 for group in set(groups))
    held, every = Counter(label for label, split in zip(labels, splits) if split == "test"), Counter(labels)
    assert all(0.1 < held[label] / every[label] <= 0.5 for label in every)


def test_what_was_drawn_before_stays_whatever_the_hash_says_and_others_of_its_group_follow():
    groups = ["g1", "g1", "g1", "g2", "g2", "g3", "g3"]
    earlier = ["test", "test", "", "train", "", "train", "test"]
    assert hold_out(groups, ["run"] * 7, 0.2, 0, earlier) == ["test"] * 3 + ["train"] * 3 + ["test"]
    names = [f"run/{i}" for i in range(10)]
    for seed in range(5):
        assert hold_out(names, ["run"] * 10, 0.2, seed, ["test", *["train"] * 8, ""])[:9] == ["test"] + ["train"] * 8


def test_names_that_look_like_cuts_are_held_out_by_recording_and_told():
    listed = entries(*(f"Punch/v_Punch_g{g:02d}_c{c:02d}.avi" for g in range(1, 26) for c in range(1, 6)))
    split = split_of(listed)
    of_group = {group: set() for group in split.groups}
    for group, member in zip(split.groups, split.members):
        of_group[group].add(member)
    assert len(of_group) == 25 and all(len(members) == 1 for members in of_group.values())
    assert split.notes == [
        "the names of 125 videos look like cuts of 25 recordings (v_Punch_g01: 5), which are held out whole; if they "
        "are none, set `group` ('.+': each video by itself)"
    ]


def test_what_an_earlier_version_has_torn_stays_so_and_nothing_else_is_said():
    listed = entries(*(f"run/g{g}_{c}.avi" for g in range(4) for c in range(5)))
    torn = {entry.name: "test" if entry.name.endswith("_0.avi") else "train" for entry in listed}
    split = split_of(listed, earlier=torn)
    assert dict(zip((entry.name for entry in listed), split.members)) == torn and split.notes == []


def test_a_pattern_or_a_split_of_ones_own_wins():
    listed = entries(*(f"run/g{g}_{c}.avi" for g in range(4) for c in range(5)))
    alone = split_of(listed, group=".+")
    assert len(set(alone.groups)) == 20 and alone.notes == []
    assert len(set(split_of(listed, group=r"_(\d)").groups)) == 5
    given = split_of([entry._replace(split="test") for entry in listed])
    assert given.members == ["test"] * 20 and len(set(given.groups)) == 20 and given.notes == []


def test_the_only_video_of_a_class_cannot_be_split():
    with pytest.raises(InputError, match=r"1 class \(sit\) has one video only, which cannot be both for training and"):
        split_of(entries("run/1", "run/2", "sit/1"))
    assert split_of(entries("run/1", split="train") + entries("sit/1", split="test")).members == ["train", "test"]


def test_a_pattern_must_be_one_and_find_a_group_in_every_video():
    with pytest.raises(InputError, match=r"`group` .*finds nothing in run/b.mp4"):
        split_of(entries("run/g1_a.mp4", "run/b.mp4"), group="g\\d_")
    with pytest.raises(InputError, match=r"`group` .='\('. is no regular expression"):
        compiled("(")
