import matplotlib.image
import pytest

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


@pytest.mark.slow
def test_the_curves_are_a_picture_at_any_stage(tmp_path):
    train = {"epoch": 0.5, "loss": 2.0, "accuracy": 0.1}
    test = {"epoch": 1, "loss": 1.5, "clip_top1": 0.4, "video_top1": 0.5}
    for rows in ([], [(5, "train", train)], [(5, "train", train), (10, "eval", test)]):
        write(tmp_path, 0, rows)
        draw_curves(tmp_path)
        assert matplotlib.image.imread(tmp_path / "curves.png").std() > 0.01
