import io

import pytest

from r3d_jax.cli.inputs import named_videos
from r3d_jax.errors import InputError


def names(found):
    return [named.path.name for named in found]


def test_files_folders_and_patterns_give_each_video_once(folder):
    every = ["broken.avi", "v0.avi", "v1.avi", "v2.avi", "v3.avi", "v4.avi"]
    assert names(named_videos([str(folder)])) == every
    assert names(named_videos([f"{folder}/v3.avi", f"{folder}/v*.avi"])) == [
        "v3.avi",
        "v0.avi",
        "v1.avi",
        "v2.avi",
        "v4.avi",
    ]
    assert names(named_videos([f"{folder.parent}/{folder.name[:-1]}?"])) == every
    assert names(named_videos([f"{folder}/notes.txt"])) == ["notes.txt"]


def test_a_dash_reads_the_list_from_standard_input(folder, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{folder}/v1.avi\n\n{folder}/v0.avi\n"))
    assert names(named_videos(["-"])) == ["v1.avi", "v0.avi"]


def test_what_is_not_there_comes_with_the_reason(folder, tmp_path):
    found = named_videos([f"{folder}/gone.avi", f"{folder}/x*.avi", str(tmp_path)])
    assert [named.reason.partition(" (")[0] for named in found] == [
        "no such file",
        "no such file, and nothing matches the pattern",
        "no video in it",
    ]


def test_nothing_at_all_is_an_error(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    with pytest.raises(InputError, match="no video named"):
        named_videos(["-"])
