from dataclasses import replace
from html import unescape

import numpy as np
import pytest
from untrained import CLIP, make_network

from r3d_jax.config import Config, DataConfig
from r3d_jax.models.cost import parameters
from r3d_jax.report import sections
from r3d_jax.report.statistics import Proportion, by_class, confusion

NUMBERS = {
    "video_top1": Proportion(0.5, 0.25, 0.75),
    "clip_top1": Proportion(0.475, 0.25, 0.7),
    "mean_class_accuracy": 0.4444,
    "loss": 1.23456,
    "calibration_error": 0.04321,
    "largest_class": ("run & jump", 0.375),
}


def test_lines_hold_the_numbers_that_there_are_and_of_how_many():
    assert sections.lines(NUMBERS, 1234, 12340, 0) == [
        "video-level top-1 50.00% (95 % interval 25.00% to 75.00%) of 1,234 videos",
        "clip-level top-1 47.50% (95 % interval 25.00% to 70.00%) of 12,340 clips",
        "video-level mean class accuracy 44.44%",
        "always answering run & jump, the largest class, would reach 37.50%",
        "loss 1.2346, expected calibration error 4.32%",
    ]
    *_, last = sections.lines(NUMBERS | {"video_top5": Proportion(1, 1, 1)}, 10, 10, 2)
    assert last == "2 test videos cannot be read and are not counted; predictions.csv names them"


def test_classes_that_were_not_tested_are_named():
    *_, last = sections.lines(NUMBERS, 10, 10, 0, ["run", "sit"])
    assert last == "no video of 2 classes was tested (run, sit): no accuracy speaks of them"
    assert sections.untested_classes([]) == ""


def test_tiles_hold_the_same_numbers():
    tiles = sections.tiles(NUMBERS, 1234, 12340)
    assert tiles.count('class="tile"') == 6
    assert "mean class accuracy" in tiles and "44.44 %" in tiles
    assert "<b>37.50 %</b><span>always answering run &amp; jump</span>" in tiles
    for text in ("video-level top-1", "50.00 %", "25.0 to 75.0 %<br>of 1,234 videos", "of 12,340 clips", "4.32 %"):
        assert text in tiles


def test_notes_are_paragraphs_and_text():
    assert sections.notes([]) == ""
    assert sections.notes(["data.source: 'a' now", "<b>"]).count('<p class="note">') == 2
    assert "<b>" not in sections.notes(["<b>"])


def test_facts_tell_what_was_tested_on_what():
    network = make_network()
    config = Config(DataConfig("video_folder", fold=2), clip=CLIP)
    assert sections.facts(config, network, 1234, 0) == (
        f"{parameters(network.model):,} parameters; 3 classes; video_folder fold 2; 1,234 test videos; 3 views of 4 "
        "frames, stride 1, short edge 16"
    )
    other = replace(config, clip=replace(CLIP, frames=8, crops=3))
    assert sections.facts(other, network, 5, 1).endswith(
        "5 test videos (1 missing); 3 views of 3 crops each of 8 frames, stride 1, short edge 16; trained on 4 frames"
    )


def test_missing_videos_are_listed_with_the_reason():
    assert sections.missing_videos({}, ["a"]) == ""
    listed = sections.missing_videos({2: "cut < short", 0: "gone"}, ["a", "b", "<c>"])
    assert "<li>a: gone</li><li>&lt;c&gt;: cut &lt; short</li>" in listed


def test_the_worth_of_views_is_told_from_one_to_all():
    assert sections.course_of_views([(1, 0.5)]) == "With the one view that was tested 50.0 %."
    assert sections.course_of_views([(1, 0.5), (2, 0.6), (3, 0.75)]).startswith("With one view 50.0 %, with 3 75.0 %:")


@pytest.mark.parametrize("average", ["logits", "probabilities"])
def test_the_method_names_what_is_averaged_and_the_classes_that_have_videos(average):
    network = make_network()
    model = network.model.clone(heads=(network.model.heads[0].clone(average=average),))
    rows = by_class(confusion(np.array([0, 1, 2]), np.array([0, 0, 2]), 3), network.class_names)
    text = unescape(sections.method(network._replace(model=model), 30, rows))
    assert f"the {average} of a video's 30 clips are averaged" in text and "2 of 3 classes have test videos" in text
