"""What the report tells of several labels: as lines, as HTML, as a table."""

import csv

import numpy as np

from r3d_jax.report import multi_label_page as page
from r3d_jax.report.multi_label import by_label, numbers_of
from r3d_jax.report.page import fill

NAMES = ("run", "<left>", "c;d")


def test_lines_and_tiles_hold_the_numbers(tested):
    numbers = numbers_of(tested)
    found = page.lines(numbers, 1234, 2, ["c;d"])
    assert found[:2] == [
        "video-level mAP 91.67% of 1,234 videos, over 2 classes",
        "at a probability of 50%: precision 60.00%, recall 75.00%, F1 66.67%, of all videos and classes together",
    ]
    assert found[2].startswith(f"loss {numbers['loss']:.4f}, expected calibration error")
    assert found[3].startswith("2 test videos cannot be read") and found[4].startswith(
        "no video of 1 classes was tested"
    )
    tiles = page.tiles(numbers, 1234)
    assert tiles.count('class="tile"') == 6 and "91.67 %" in tiles and "2 classes<br>of 1,234 videos" in tiles


def test_the_table_of_classes_has_a_dash_where_there_is_no_video(tested):
    table = page.label_table(by_label(tested, NAMES))
    assert table.count("<tr>") == 4 and "<left>" not in table and "&lt;left&gt;" in table
    assert table.count('data-value=""') == 5  # average precision, recall, its interval, best threshold, its F1


def test_it_is_told_what_is_found_what_is_not_and_what_is_wrong(tested):
    told = page.told_of(tested.labels[0], tested.probabilities[0], NAMES)
    assert told == (
        'is <span class="right-text">run</span> 88.1 %, <span class="wrong-text">&lt;left&gt;</span> 26.9 %; taken for '
        '<span class="wrong-text">c;d</span> 73.1 %'
    )
    assert page.told_of(tested.labels[2], tested.probabilities[2], NAMES) == "is none of the classes"


def test_every_prediction_is_a_line(tested):
    missing = tested._replace(missing={4: "gone"})
    names, labels = np.array([f"v{i}.avi" for i in range(5)]), np.concatenate([tested.labels, [[1, 1, 0]]])
    rows = list(csv.DictReader(page.predictions_csv(missing, NAMES, names, labels).splitlines()))
    assert [row["labels"] for row in rows] == ["run|<left>", "<left>", "", "run", "run|<left>"]
    assert [row["predicted"] for row in rows] == ["run|c;d", "<left>", "", "run|<left>", ""]
    assert rows[0]["class1"] == "run" and rows[0]["probability1"] == "0.880797" and rows[4]["missing"] == "gone"


def test_the_page_has_a_slot_for_all_of_it():
    slots = ("title", "notes", "facts", "tiles", "classes", "calibration", "calibration_text", "views", "views_text")
    slots += ("mistakes", "maps", "missing", "method")
    filled = fill({name: f"here is {name}." for name in slots}, "multi_label.html")
    assert "<!--" not in filled and all(f"here is {name}." in filled for name in slots)
