import json
from collections import Counter

import numpy as np
import pytest

from r3d_jax.cli.watch import lines, summary
from r3d_jax.inference.watch import Seen
from r3d_jax.video.stream import Stretch
from r3d_jax.weights import converted

NAMES = ("ride", "run", "swim")


def seen(*rows):
    for i, row in enumerate(rows):
        yield Seen(Stretch(i, np.array([i, i + 0.5]), np.zeros((2, 4, 4, 3), np.uint8)), np.array(row))


def test_a_file_is_watched_at_its_own_speed_and_summed_up(run, source, folder, tmp_path, capsys):
    status, printed = run("watch", source, folder / "v0.avi", "--threshold", "0.01", "--save", tmp_path / "saved")
    assert status == 0
    found = [json.loads(line) for line in printed.splitlines()]
    assert {each["class"] for each in found[-1]["top"]} <= {*NAMES} and found[-1]["end"] == 0.32
    assert len([*(tmp_path / "saved").iterdir()]) == 1


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--threshold", "2"], "error: --threshold (=2) must be a probability above 0, and at most 1"),
        (["--smoothing", "-1"], "error: --smoothing (=-1) must be a number of seconds, from 0"),
        (["--save", "saved"], "error: --save needs a --threshold: what reaches it is written"),
    ],
)
def test_flags_that_make_no_sense_are_refused(run, source, folder, flags, message):
    assert run("watch", source, folder / "v0.avi", *flags)[0] == message


def test_what_cannot_be_opened_is_one_message(run, source, tmp_path):
    assert run("watch", source, tmp_path / "none.avi")[0] == f"error: {tmp_path}/none.avi: No such file or directory"


def test_a_terminal_gets_a_line_where_classes_change():
    rows = [(0.7, 0.2, 0.1), (0.6, 0.3, 0.1), (0.2, 0.7, 0.1), (0.2, 0.8, 0.0)]
    found = [line[9:] for line in lines(seen(*rows), NAMES, 0.0, terminal=True)]
    assert found == [" 70.0% ride", " 70.0% run"]
    found = [line[9:] for line in lines(seen(*rows), NAMES, 0.65, terminal=True)]
    assert found == [" 70.0% ride", "  none", " 70.0% run"]


def test_elsewhere_each_clip_is_a_line_of_json():
    first, second = map(
        json.loads, lines(seen((0.7, 0.2, 0.1), (0.2, 0.6, 0.6)), NAMES, 0.5, terminal=False, now=lambda: 0)
    )
    assert first["top"] == [{"class": "ride", "probability": 0.7}] and (first["start"], first["end"]) == (0, 0.5)
    assert [each["class"] for each in second["top"]] == ["run", "swim"] and second["time"].startswith("19")
    (whole,) = map(json.loads, lines(seen((0.7, 0.2, 0.1)), NAMES, 0.0, terminal=False))
    assert [each["class"] for each in whole["top"]] == ["ride", "run", "swim"]


def test_ctrl_c_ends_it_with_a_summary(run, source, monkeypatch, capsys):
    def watched(*_, counts, **__):
        counts["frames"] = 1200
        yield from seen((0.7, 0.2, 0.1))
        raise KeyboardInterrupt

    monkeypatch.setattr("r3d_jax.inference.watch.watch", watched)
    status, printed = run("watch", source, "rtsp://host/1")
    assert status == 0 and printed.count("\n") == 1
    counts = Counter(frames=1200, dropped=30, clips=90, passed=7)
    expected = "1,200 frames, and 30 dropped that came too late; 90 clips looked at, 7 passed over"
    assert summary(counts) == expected


def test_a_network_of_several_labels_gives_all_classes_of_one_half_or_more(run, tmp_path, network, monkeypatch):
    (head,) = network.model.heads
    model = network.model.clone(heads=(head.clone(activation="sigmoid"),))
    converted.write(tmp_path / "several.safetensors", network._replace(model=model), "classyvision")
    monkeypatch.setattr("r3d_jax.inference.watch.watch", lambda *_, **__: seen((0.7, 0.4, 0.5), (0.1, 0.2, 0.3)))
    _, printed = run("watch", tmp_path / "several.safetensors", "rtsp://host/1", "--dtype", "float32")
    found = [[each["class"] for each in json.loads(line)["top"]] for line in printed.splitlines()]
    assert found == [["ride", "swim"], []]
