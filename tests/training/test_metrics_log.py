import struct

import matplotlib.image
import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog

from r3d_jax.errors import InputError
from r3d_jax.training import metrics_log
from r3d_jax.training.metrics_log import MetricsLog, draw_curves, read


def write(folder, start, rows):
    with MetricsLog(folder, start) as record:
        for step, kind, numbers in rows:
            record.add(step, kind, **numbers)


def test_rows_come_back_as_written(tmp_path):
    write(tmp_path, 0, [(10, "train", {"loss": 2.5}), (10, "eval", {"video_top1": 0.5})])
    assert read(tmp_path) == [
        {"step": 10, "kind": "train", "loss": 2.5},
        {"step": 10, "kind": "eval", "video_top1": 0.5},
    ]
    assert list((tmp_path / "tensorboard").glob("events.out.tfevents*"))


def test_a_resumed_run_takes_back_rows_of_later_steps(tmp_path):
    write(tmp_path, 0, [(step, "train", {"loss": step}) for step in (10, 20, 30)])
    write(tmp_path, 20, [(30, "train", {"loss": 99})])
    assert [row["loss"] for row in read(tmp_path)] == [10, 20, 99]


def test_a_line_that_was_cut_short_is_left_out(tmp_path):
    write(tmp_path, 0, [(10, "train", {"loss": 1.0})])
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 20, "ki')
    assert len(read(tmp_path)) == 1
    write(tmp_path, 10, [(20, "train", {"loss": 2.0})])
    assert [row["step"] for row in read(tmp_path)] == [10, 20]


@pytest.mark.parametrize(
    "line",
    [
        "null",
        "[]",
        '{"step": 20, "ki',
        '{"step": "20", "kind": "train"}',
        '{"step": 20, "kind": "other"}',
        '{"step": 20, "kind": "train", "loss": NaN}',
        '{"step": 20, "kind": "train", "loss": null}',
        "\\x00\\xff",
    ],
)
def test_a_damaged_line_is_refused_with_its_number(tmp_path, line):
    write(tmp_path, 0, [(step, "train", {"loss": 1.0}) for step in (10, 30)])
    file = tmp_path / "metrics.jsonl"
    first, last = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(first + line.encode().decode("unicode_escape").encode("latin-1") + b"\n" + last)
    for reads in (read, lambda folder: write(folder, 10, []), draw_curves):
        with pytest.raises(InputError, match=r"^line 2 of .*metrics.jsonl is no row of a run \(.*\); remove it"):
            reads(tmp_path)
    file.write_bytes(first + last.rstrip())
    assert [row["step"] for row in read(tmp_path)] == [10, 30]  # whole, though its line's end is missing


def test_what_is_no_number_is_never_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write(tmp_path, 0, [(10, "train", {"loss": float("nan")})])
    assert not (tmp_path / "metrics.jsonl").read_text()


def test_events_are_written_at_once_and_take_back_later_ones(tmp_path):
    with MetricsLog(tmp_path, 20) as log:
        log.add(30, "train", loss=0.5, epoch=1)
        data = next((tmp_path / "tensorboard").iterdir()).read_bytes()
    events = []
    while data:
        (size,) = struct.unpack("Q", data[:8])
        events.append(Event.FromString(data[12 : 12 + size]))
        data = data[16 + size :]
    version, start, *scalars = events
    assert version.file_version and (start.step, start.session_log.status) == (21, SessionLog.START)
    values = [(event.step, value.tag, value.simple_value) for event in scalars for value in event.summary.value]
    assert values == [(30, "train/loss", 0.5), (30, "train/epoch", 1.0)]


@pytest.mark.slow
def test_the_curves_are_a_picture_at_any_stage(tmp_path):
    train = {"epoch": 0.5, "loss": 2.0, "accuracy": 0.1}
    test = {"epoch": 1, "loss": 1.5, "clip_top1": 0.4, "video_top1": 0.5}
    for rows in ([], [(5, "train", train)], [(5, "train", train), (10, "eval", test)]):
        write(tmp_path, 0, rows)
        draw_curves(tmp_path)
        assert matplotlib.image.imread(tmp_path / "curves.png").std() > 0.01


def test_tests_are_drawn_at_the_end_and_before_it_unless_that_was_a_moment_ago(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(metrics_log, "draw_curves", lambda folder: drawn.append([row["step"] for row in read(folder)]))
    write(tmp_path, 0, [(1, "train", {"loss": 1.0})])
    assert not drawn
    write(tmp_path, 1, [(step, "eval", {"loss": 1.0}) for step in (2, 3)])
    assert drawn == [[1, 2, 3]]
    monkeypatch.setattr(metrics_log, "PAUSE", 0)
    write(tmp_path, 3, [(4, "train", {"loss": 1.0}), (5, "eval", {"loss": 1.0})])
    assert drawn[1:] == [[1, 2, 3, 4], [1, 2, 3, 4, 5]]
