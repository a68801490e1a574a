"""What is written of videos and printed of it, and how the command ends."""

import json

import numpy as np


def test_features_of_a_folder_are_written_and_what_fails_is_named(run, source, folder, tmp_path, capsys):
    out = tmp_path / "a.npz"
    capsys.readouterr()
    status, printed = run("features", source, folder, folder / "gone.avi", out, "--views", 2, "--block", "stem-path0")
    assert status == 1 and printed == f"{out}: features of 5 videos\n"
    with np.load(out) as file:
        assert file["features"].shape == (5, 4) and file["video"][0].endswith("v0.avi")
        facts = json.loads(str(file["facts"]))
    assert facts["source"] == str(source) and list(facts["failed"]) == [f"{folder}/broken.avi"]


def test_each_view_is_a_row(run, source, folder, tmp_path):
    status, _ = run("features", source, folder / "v1.avi", folder / "v3.avi", tmp_path / "a.npz", "--each_view")
    with np.load(tmp_path / "a.npz") as file:
        assert status == 0 and file["features"].shape == (6, 8) and file["view"].tolist() == [0, 1, 2] * 2
        assert file["seconds"][3] == 0 < file["seconds"][4] < file["seconds"][5]


def test_a_block_that_does_not_exist_is_answered_with_those_that_do(run, source, folder, tmp_path):
    status, _ = run("features", source, folder, tmp_path / "a.npz", "--block=layer4")
    assert status.startswith("error: no --block 'layer4' in this network; its blocks: stem-path0, pathway0-stage1")


def test_failures_stand_on_standard_error(run, source, folder, tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr("tqdm.tqdm.write", lambda line, file: lines.append(line))
    assert run("features", source, folder / "v0.avi", tmp_path / "gone.avi", tmp_path / "a.npz")[0] == 1
    assert lines == [f"{tmp_path}/gone.avi: no such file"]
