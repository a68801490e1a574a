"""What is printed of videos, and how the command ends."""

import csv
import io
import json
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from videos import audio_only

from r3d_jax.cli.main import main

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_json_lines_come_where_there_is_no_terminal(run, source, folder):
    status, printed = run("predict", source, folder, "--top", 2)
    found = [json.loads(line) for line in printed.splitlines()]
    assert status == 1 and len(found) == 6
    assert "not a video" in found[0]["error"]
    assert all(len(each["top"]) == 2 for each in found[1:])
    assert run("predict", source, folder / "v1.avi")[0] == 0


def test_csv(run, source, folder):
    status, printed = run("predict", source, f"{folder}/v*.avi", "--format", "csv")
    found = list(csv.DictReader(printed.splitlines()))
    assert status == 0 and [each["video"][-6:] for each in found] == [f"v{i}.avi" for i in range(5)]


def test_a_list_of_videos_can_come_from_another_program(run, source, folder, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{folder}/v1.avi\n{folder}/gone.avi\n"))
    status, printed = run("predict", source, "-")
    found = [json.loads(line) for line in printed.splitlines()]
    assert status == 1 and found[0]["frames"] == 12 and found[1]["error"] == "no such file"


def test_predictions_are_in_the_order_of_the_command_line(run, source, folder):
    names = ["v2.avi", "gone.avi", "v0.avi", "broken.avi", "v1.avi"]
    _, printed = run("predict", source, *(folder / name for name in names))
    assert [json.loads(line)["video"] for line in printed.splitlines()] == [str(folder / name) for name in names]


def test_a_table_comes_on_a_terminal_and_what_fits_of_it(source, folder, monkeypatch, capsys):
    leader, follower = pty.openpty()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "40")
    with open(follower, "w") as terminal, pytest.raises(SystemExit) as ended:
        monkeypatch.setattr("sys.stdout", terminal)
        main(["predict", str(source), "v0.avi", "gone.avi", "--dtype=float32"])
    shown = b""
    with open(leader, "rb", buffering=0) as terminal, suppress(OSError):  # which is how Linux says that no more comes
        while some := terminal.read(10_000):  # which may be less than there is
            shown += some
    lines = shown.decode().split("\r\n")
    assert lines[0].split() == ["video", "1", "2"]
    assert lines[1].startswith("v0.avi ") and lines[1].count("%") == 2 and len(lines[1]) <= 40
    assert lines[2] == "gone.avi  no such file"
    assert ended.value.code == 1 and capsys.readouterr().err.endswith("activations are float32\n1 of 2 videos failed\n")


@pytest.mark.slow
def test_who_reads_no_further_gets_no_stack_trace(source, folder):
    command = f"{sys.executable} -m r3d_jax predict {source} {folder}/v*.avi --format csv | head -1"
    done = subprocess.run(command, cwd=ROOT, shell=True, capture_output=True, text=True)
    assert done.stdout.startswith("video,frames") and "Traceback" not in done.stderr and "Broken" not in done.stderr


@pytest.mark.slow
def test_a_timeline_is_printed_and_drawn(run, source, folder, tmp_path):
    videos = (folder / "v3.avi", folder / "broken.avi", folder / "gone.avi")
    arguments = ("predict", source, *videos, "--timeline", "--plots", tmp_path, "--hop", 4)
    status, printed = run(*arguments)
    found = [json.loads(line) for line in printed.splitlines()]
    assert status == 1 and [each["start"] for each in found] == [0.0, 0.16, 0.32, 0.44, 0.0, 0.0]
    assert "not a video" in found[-2]["error"] and found[-1]["error"] == "no such file"
    assert [path.name for path in tmp_path.iterdir()] == ["v3.png"]
    run(*arguments)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v3-2.png", "v3.png"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--top", "-1"], "error: --top (=-1) must be at least 0"),
        (
            ["--batch", "0", "--workers", "0"],
            "error: --batch (=0) must be at least 1; --workers (=0) must be at least 1",
        ),
    ],
)
def test_numbers_that_make_no_sense(run, source, folder, arguments, message):
    assert run("predict", source, folder, *arguments)[0] == message


def test_a_video_without_a_video_stream_is_one_line(run, source, tmp_path):
    (tmp_path / "song.wav").write_bytes(audio_only())
    status, printed = run("predict", source, tmp_path / "song.wav")
    assert status == 1 and json.loads(printed)["error"] == "no video stream in it"


def test_activations_are_of_the_type_that_is_named(run, source, folder, tmp_path, monkeypatch):
    asked = []

    def make_forward(network, dtype):
        asked.append(dtype)
        return lambda clips: np.zeros((*clips.shape[:2], 3), np.float32)

    for room in ("forward", "predict"):
        monkeypatch.setattr(f"r3d_jax.inference.{room}.make_forward", make_forward)
    for more in ((), ("--timeline", "--plots", tmp_path)):
        assert run("predict", source, folder / "v1.avi", "--dtype=bfloat16", *more)[0] == 0
    assert asked == ["bfloat16"] * 2
