import math

import pytest

from r3d_jax.data.census import Largest
from r3d_jax.training.advice import above_chance, at_chance, by_heart, verdict

PUNCH = Largest("punch", 0.75)


def rows(*epochs):
    """A metrics log of two rows an epoch of four steps, whose mean loss and accuracy are given."""
    return [
        {"step": 4 * i + 2 * half, "kind": "train", "loss": loss + 0.1 * sign, "accuracy": accuracy + 0.01 * sign}
        for i, (loss, accuracy) in enumerate(epochs)
        for half, sign in ((1, 1), (2, -1))
    ]


def test_a_loss_above_guessing_is_told_once_after_the_first_epoch():
    log = rows((2.0, 0.5), (0.75, 0.5), (1.5, 0.5), (2.0, 0.5))
    said = [above_chance(log, epoch=epoch, steps_per_epoch=4, classes=2) for epoch in (1, 2, 3, 4)]
    assert [bool(text) for text in said] == [False, False, True, False]
    assert said[2].startswith(f"epoch 3: the mean training loss is 1.50, and that of guessing among 2 classes {0.69}")
    assert not above_chance(log, epoch=3, steps_per_epoch=4, classes=math.ceil(math.exp(1.5)))
    assert not above_chance([], epoch=3, steps_per_epoch=4, classes=2)  # fewer rows than epochs


@pytest.mark.parametrize("accuracy, told", [(0.74, True), (0.755, True), (0.8, False)])
def test_accuracy_at_chance_is_told_after_a_third(accuracy, told):
    log = rows(*[(0.6, accuracy)] * 7)
    said = {epoch: at_chance(log, epoch=epoch, epochs=7, steps_per_epoch=4, commonest=PUNCH) for epoch in range(1, 8)}
    assert {epoch for epoch, text in said.items() if text} == ({3} if told else set())
    if told:
        assert f"{accuracy:.1%} of the training clips are right, and always answering punch would be 75.0%" in said[3]
    assert not at_chance(log, epoch=1, epochs=1, steps_per_epoch=4, commonest=PUNCH)


# Wilson's score interval of 9 of 12, and of 12 of 12 (Newcombe's method 3).
@pytest.mark.parametrize(
    "right, share, end",
    [
        (9, 0.75, "95 % interval 46.8% to 91.1%; always answering punch: 75.0%, which lies in it: these are too few"),
        (9, 0.40, "95 % interval 46.8% to 91.1%; always answering punch: 40.0%"),
        (9, 0.95, "95 % interval 46.8% to 91.1%; always answering punch: 95.0%, which is better"),
        (12, 0.75, "100.0% of 12 test videos, 95 % interval 75.8% to 100.0%; always answering punch: 75.0%"),
    ],
)
def test_a_verdict_tells_the_interval_and_the_answer_that_never_changes(right, share, end):
    said = verdict({"videos": 12, "video_top1": right / 12}, Largest("punch", share))
    assert end in said and said.startswith(f"{right / 12:.1%} of 12 test videos, ")
    assert ("too few" in said) == (right == 9 and share == 0.75)


def test_what_is_known_by_heart_is_told():
    log = rows((0.6, 0.5), (0.1, 0.98))
    arguments = {"epoch": 2, "steps_per_epoch": 4}
    said = by_heart(log, summary={"videos": 100, "video_top1": 0.6}, **arguments)
    assert said.startswith("98.0% of the training clips are right, but 60.0% of the test videos: the network knows")
    assert not by_heart(log, summary={"videos": 100, "video_top1": 0.95}, **arguments)
    assert not by_heart(log, summary={"videos": 4, "video_top1": 0.75}, **arguments)  # as it may be by chance
    assert not by_heart(log, summary={"videos": 100, "video_top1": 0.6}, epoch=1, steps_per_epoch=4)
