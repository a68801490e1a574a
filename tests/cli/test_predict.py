"""What a user types, what is printed, and how it ends."""

import csv
import io
import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from videos import audio_only

from r3d_jax.__main__ import main
from r3d_jax.video.views import read_clips

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def source(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "tiny.safetensors"
    saved.write(path, network, "classyvision")
    return str(path)


def run(capsys, *arguments):
    """(exit status or message, what was printed)."""
    try:
        main(list(map(str, arguments)))
        status = 0
    except SystemExit as ended:
        status = ended.code
    return status, capsys.readouterr().out


def test_json_lines_come_where_there_is_no_terminal(source, folder, capsys):
    status, printed = run(capsys, "predict", source, folder, "--top", 2)
    rows = [json.loads(line) for line in printed.splitlines()]
    assert status == 1 and len(rows) == 6
    assert "not a video" in rows[0]["error"]
    assert all(len(row["top"]) == 2 for row in rows[1:])
    assert run(capsys, "predict", source, folder / "v1.avi")[0] == 0


def test_csv(source, folder, capsys):
    status, printed = run(capsys, "predict", source, f"{folder}/v*.avi", "--format", "csv")
    rows = list(csv.DictReader(printed.splitlines()))
    assert status == 0 and [row["video"][-6:] for row in rows] == [f"v{i}.avi" for i in range(5)]


def test_a_list_of_videos_can_come_from_another_program(source, folder, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{folder}/v1.avi\n{folder}/gone.avi\n"))
    status, printed = run(capsys, "predict", source, "-")
    rows = [json.loads(line) for line in printed.splitlines()]
    assert status == 1 and rows[0]["frames"] == 12 and rows[1]["error"] == "no such file"


def test_a_table_comes_on_a_terminal_and_what_fits_of_it(source, folder):
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "r3d_jax", "predict", source, "v0.avi", "gone.avi"]
    environment = os.environ | {"COLUMNS": "40", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, stdout=follower, stderr=subprocess.PIPE, text=True)
    os.close(follower)
    with open(leader, "rb", buffering=0) as terminal:
        lines = terminal.read(10_000).decode().split("\r\n")
    assert lines[0].split() == ["video", "1", "2"]
    assert lines[1].startswith("v0.avi ") and lines[1].count("%") == 2 and len(lines[1]) <= 40
    assert lines[2] == "gone.avi  no such file"
    assert done.returncode == 1 and done.stderr == "1 of 2 videos failed\n"


def test_who_reads_no_further_gets_no_stack_trace(source, folder):
    command = f"{sys.executable} -m r3d_jax predict {source} {folder}/v*.avi --format csv | head -1"
    done = subprocess.run(command, cwd=ROOT, shell=True, capture_output=True, text=True)
    assert done.stdout.startswith("video,frames") and "Traceback" not in done.stderr and "Broken" not in done.stderr


def test_a_timeline_is_printed_and_drawn(source, folder, tmp_path, capsys):
    arguments = (
        "predict",
        source,
        folder / "v3.avi",
        folder / "broken.avi",
        "--timeline",
        "--plots",
        tmp_path,
        "--hop",
        4,
    )
    status, printed = run(capsys, *arguments)
    rows = [json.loads(line) for line in printed.splitlines()]
    assert status == 1 and [row["start"] for row in rows] == [0.0, 0.16, 0.32, 0.44, 0.0]
    assert "not a video" in rows[-1]["error"]
    assert [path.name for path in tmp_path.iterdir()] == ["v3.png"]
    run(capsys, *arguments)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["v3-2.png", "v3.png"]


def test_a_map_is_written(source, folder, tmp_path, capsys):
    status, printed = run(capsys, "cam", source, folder / "v0.avi", tmp_path / "v0.gif", "--class", "run")
    assert status == 0 and "run\n" in printed and "9 frames" in printed
    assert (tmp_path / "v0.gif").read_bytes().startswith(b"GIF89a")


def test_an_exported_network_predicts_as_before(source, folder, tmp_path, capsys):
    status, printed = run(capsys, "export", source, tmp_path / "tiny.npz")
    assert status == 0 and "loads in" in printed
    before, after = (run(capsys, "predict", each, folder / "v0.avi")[1] for each in (source, tmp_path / "tiny.npz"))
    assert before == after


def test_clips_of_a_file_for_other_code(network, folder):
    assert read_clips(str(folder / "v0.avi"), network).shape == (3, 4, 16, 24, 3)
    assert read_clips(folder / "v0.avi", network, views=1).dtype == np.uint8
    with pytest.raises(ValueError, match="not a video"):
        read_clips(folder / "broken.avi", network)


COMMANDS = {
    "predict": ("{run}", "v.avi"),
    "predict --timeline": ("{run}", "v.avi", "--timeline"),
    "cam": ("{run}", "v.avi", "v.mp4"),
    "export": ("{run}", "out.npz"),
    "serve": ("{run}",),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "run_is, message",
    [
        ("nowhere", "error: no run, no converted and no exported network at {run}; name the folder of a run"),
        (
            "empty",
            "error: no run in {run}: it has no config.json and no classes.txt and no network.json; name a folder",
        ),
        ("begun", "error: the run in {run} has no checkpoint yet; train it with main.py --workdir {run}"),
        ("misnamed", "error: {run}/classes.txt names 1 classes, but the head has 8; it needs one line for each"),
        ("weights.pth", "error: {run} is not converted yet; run python -m r3d_jax convert {run} OUT.safetensors"),
    ],
)
def test_what_is_no_trained_network_is_one_line(command, run_is, message, tiny_run, tmp_path, capsys):
    path = tmp_path / run_is
    if run_is in ("empty", "begun", "misnamed"):
        path.mkdir()
    if run_is in ("begun", "misnamed"):
        for name in ("config.json", "classes.txt", "network.json"):
            shutil.copy(tiny_run[0] / name, path)
    if run_is == "misnamed":
        (path / "classes.txt").write_text("walk\n")
    if run_is == "weights.pth":
        path.write_bytes(b"weights")
    arguments = [each.format(run=path) for each in COMMANDS[command]]
    status, printed = run(capsys, command.split()[0], *arguments)
    assert (
        isinstance(status, str) and status.startswith(message.format(run=path)) and "\n" not in status and not printed
    )


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
def test_numbers_that_make_no_sense(source, folder, capsys, arguments, message):
    assert run(capsys, "predict", source, folder, *arguments)[0] == message


def test_a_video_without_a_video_stream_is_one_line(source, tmp_path, capsys):
    (tmp_path / "song.wav").write_bytes(audio_only())
    status, printed = run(capsys, "predict", source, tmp_path / "song.wav")
    assert status == 1 and json.loads(printed)["error"] == "no video stream in it"
    status, _ = run(capsys, "cam", source, tmp_path / "song.wav", tmp_path / "v.mp4")
    assert status == f"error: {tmp_path}/song.wav: no video stream in it"
