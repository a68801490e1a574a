import numpy as np

from r3d_jax.data.census import (
    census_of,
    gaps,
    largest_class,
    mixed_rates,
    near_equal,
    same_videos,
    table,
    uneven,
)


def census(train, test):
    names = tuple(f"class{label}" for label in range(len(train)))
    labels = np.repeat(np.r_[: len(train), : len(test)], [*train, *test])
    return census_of(labels, ["train"] * sum(train) + ["test"] * sum(test), names)


def test_videos_of_neither_split_are_not_counted():
    found = census_of([0, 0, 1, 1], ["train", "none", "test", "train"], ("a", "b", "c"))
    assert (found.train.tolist(), found.test.tolist()) == ([1, 1, 0], [0, 1, 0])


def test_a_table_has_a_line_for_each_class_and_the_totals():
    assert table(census([10, 1200], [3, 4]), 1210, 7) == [
        "class      training  test",
        "class0           10     3",
        "class1        1,200     4",
        "2 classes     1,210     7",
    ]


def test_of_many_classes_the_largest_and_the_smallest_are_shown():
    lines = table(census([5 + (7 * i) % 101 for i in range(101)], [2] * 101), sum(range(5, 106)), 202)
    assert [line.split()[-2] for line in lines] == [
        "training", "105", "104", "103", "95", "7", "6", "5", f"{sum(range(5, 106)):,}",
    ]  # fmt: skip
    assert lines[4] == "... 95 more" and lines[-1].startswith("101 classes ")
    assert len(table(census([1] * 12, [1] * 12), 12, 12)) == 14


def test_the_largest_class_of_training_is_answered_for_the_test_videos():
    assert largest_class(census([3, 9, 5], [6, 1, 3])) == ("class1", 0.1)
    assert largest_class(census([5, 5], [1, 3])) == ("class1", 0.75)
    assert np.isnan(largest_class(census([5, 5], [0, 0]))[1])


def test_classes_without_a_video_are_told_with_what_follows():
    assert gaps(census([2, 0, 1], [1, 1, 1]), " in fold 1") == [
        "1 of 3 classes have no train video in fold 1 (class1): the network cannot learn them"
    ]
    assert gaps(census([1, 1, 1], [1, 0, 0])) == [
        "2 of 3 classes have no test video (class1, class2): no accuracy speaks of them"
    ]
    assert gaps(census([1, 1], [0, 0])) == []


def test_classes_are_uneven_beyond_three_to_one():
    assert uneven(census([30, 10, 20], [1, 1, 1])) == uneven(census([0, 0], [1, 1])) == []
    [line] = uneven(census([31, 10, 0], [1, 1, 1]))
    assert line.startswith("classes are uneven, 3.1 to 1 (class0 with 31 training videos, class1 with 10): ")


def test_frame_rates_that_differ_are_told_with_the_length_of_a_clip():
    assert mixed_rates([29.97, 30, 29.970003, 0], frames=8) == mixed_rates([], frames=8) == []
    assert mixed_rates([25.0] * 3 + [50, 12.5], frames=8, stride=4) == [
        "frame rates differ, from 12.5 to 50 a second (mostly 25: 3 of 5 videos), so a clip of 8 frames lasts from "
        "0.58 to 2.3 s; `clip.frame_rate` (=25) would bring all to one rate"
    ]


def test_files_of_the_same_content_in_both_splits_or_of_two_classes_are_told():
    names, sides = ["a", "b", "c", "d", "e", "f"], ["train", "test", "train", "test", "none", "train"]
    assert same_videos("xyzwxz", names, "pqpqpp", sides) == []  # twice in training, or in no split
    assert same_videos(["", ""], names, "pq", ["train", "test"]) == []
    both, classes = same_videos("xxyyzz", names, "ppqrss", ["train", "test"] * 3)
    assert (
        both.startswith("3 videos are both in training and in test: ")
        and "(train a = test b, train c = test d, train e = test f)" in both
    )
    assert classes.startswith("1 video is of several classes: ") and classes.endswith("(q c = r d)")


def test_labels_that_differ_in_case_or_blanks_alone_are_told():
    assert near_equal(["run", "sit", "run fast"]) == []
    assert near_equal(["Run", "run", "brush  hair", "brushhair", "sit"]) == [
        "classes differ in case or blanks alone: 'Run' and 'run', 'brush  hair' and 'brushhair'; call them the same"
    ]
