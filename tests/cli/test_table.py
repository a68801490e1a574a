import csv
import json

import numpy as np
import pytest

from r3d_jax.cli.table import lines
from r3d_jax.inference.predict import Prediction

CLASSES = ("ride, slowly", "run", "swim")
PREDICTIONS = [
    Prediction("a.avi", {"frames": 9}, np.array([0.25, 0.5, 0.25], np.float32)),
    Prediction("long name.avi", {"frames": 0}, None, "not a video"),
]


def printed(kind, predictions=PREDICTIONS, top=2, columns=0, threshold=0.0):
    videos = [each.video for each in predictions]
    return list(lines(iter(predictions), kind, CLASSES, top=top, threshold=threshold, videos=videos, columns=columns))


def test_json_lines():
    first, second = map(json.loads, printed("json"))
    top = [{"class": "run", "probability": 0.5}, {"class": "ride, slowly", "probability": 0.25}]
    assert first == {"video": "a.avi", "frames": 9, "top": top}
    assert second == {"video": "long name.avi", "frames": 0, "error": "not a video"}


def test_csv_has_as_many_cells_in_every_line():
    titles, first, second = csv.reader(printed("csv"))
    assert titles == ["video", "frames", "class1", "probability1", "class2", "probability2", "error"]
    assert first == ["a.avi", "9", "run", "0.500000", "ride, slowly", "0.250000", ""]
    assert second == ["long name.avi", "0", "", "", "", "", "not a video"]


def test_no_cell_of_csv_is_a_formula():
    predictions = [Prediction("=HYPERLINK(1).avi", {"frames": 0}, None, "-not a\nvideo")]
    _, cells = csv.reader("\n".join(printed("csv", predictions)).splitlines(keepends=True))
    assert cells[0] == "'=HYPERLINK(1).avi" and cells[-1] == "'-not a\nvideo"


def test_a_table_to_read():
    assert printed("table") == [
        "video          1                    2",
        "a.avi           50.0% run            25.0% ride, slowly",
        "long name.avi  not a video",
    ]


@pytest.mark.parametrize("top, columns, cells", [(0, 60, 2), (0, 20, 1), (0, 0, 3), (3, 20, 3)])
def test_a_table_shows_no_more_than_fits_unless_told(top, columns, cells):
    assert printed("table", PREDICTIONS[:1], top, columns)[1].count("%") == cells


def test_stretches_tell_when_they_are():
    predictions = [Prediction("a.avi", {"start": 0.0, "end": 1.5}, PREDICTIONS[0].probabilities)]
    assert printed("table", predictions, top=1)[1] == "a.avi      0.00 to     1.50 s   50.0% run"
    assert printed("csv", predictions, top=1)[0] == "video,start,end,class1,probability1,error"


def test_what_is_no_number_is_never_printed_as_json():
    with pytest.raises(ValueError, match="not JSON compliant"):
        printed("json", [PREDICTIONS[0]._replace(probabilities=np.full(3, np.nan, np.float32))])


def test_with_a_threshold_all_that_reach_it_are_given():
    quiet = PREDICTIONS[0]._replace(video="b.avi", probabilities=np.array([0.1, 0.2, 0.3], np.float32))
    predictions = [PREDICTIONS[0], quiet, PREDICTIONS[1]]
    assert printed("table", predictions, top=0, threshold=0.25) == [
        "video          classes of 25% or more",
        "a.avi          50.0% run   25.0% ride, slowly   25.0% swim",
        "b.avi          30.0% swim",
        "long name.avi  not a video",
    ]
    assert printed("table", predictions, top=1, threshold=0.4)[1:3] == [
        "a.avi          50.0% run",
        "b.avi          none (likeliest: 30.0% swim)",
    ]
    found = [json.loads(line) for line in printed("json", predictions, top=0, threshold=0.4)]
    assert found[0]["top"] == [{"class": "run", "probability": 0.5}] and found[1]["top"] == []
    titles, first, second, third = csv.reader(printed("csv", predictions, top=0, threshold=0.25))
    assert titles == ["video", "frames", "classes", "probabilities", "error"]
    assert first == ["a.avi", "9", "run;ride, slowly;swim", "0.500000;0.250000;0.250000", ""]
    assert second[2:] == ["swim", "0.300000", ""] and third[2:] == ["", "", "not a video"]
