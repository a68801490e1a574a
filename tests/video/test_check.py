"""`python -m r3d_jax check`."""

import pytest
from videos import audio_only, encode, frames_of

from r3d_jax.cli.main import main as command
from r3d_jax.video.check import check, check_files
from r3d_jax.video.probe import probe

LONG = encode(frames_of(40))
CUT = LONG[: len(LONG) * 9 // 10]
MP4 = encode(frames_of(40), codec="libx264", container="mp4")


@pytest.fixture
def folder(tmp_path):
    files = {
        **{"a/fine.avi": LONG, "a/fine.mp4": MP4, "b/again.avi": LONG, "b/short.avi": encode(frames_of(7))},
        **{"b/cut.avi": CUT, "c/cut.mp4": MP4[: len(MP4) // 2], "c/empty.mkv": b""},
        **{"c/page.mp4": b"<html>", "c/song.MP4": audio_only(), "c/notes.txt": b"no video"},
    }
    for name, data in files.items():
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "videos"


@pytest.mark.parametrize("workers", [1, 3])
def test_each_fault_is_told_with_its_file(folder, workers):
    report = check(folder, workers=workers)
    found = {finding.file: (finding.kind, finding.detail) for finding in report.findings}
    decoded = probe(CUT)[0].num_frames
    assert found.pop("c/cut.mp4")[0] == "unreadable" and found.pop("c/page.mp4")[0] == "unreadable"
    assert found == {
        "b/again.avi": ("duplicate", "the same bytes as a/fine.avi"),
        "b/cut.avi": ("fewer frames", f"{decoded} decode of the 40 it declares"),
        "b/short.avi": ("short", "7 frames, but a clip spans 8"),
        "c/empty.mkv": ("unreadable", "empty"),
        "c/song.MP4": ("no video stream", "no video stream in it"),
    }
    assert (report.videos, report.frames) == (9, 40 * 3 + 7 + decoded)


def test_what_is_short_depends_on_the_clip(folder):
    assert not [finding for finding in check(folder, frames=7).findings if finding.kind == "short"]
    short = [finding for finding in check(folder, frames=8, stride=6).findings if finding.kind == "short"]
    assert short[0].detail == "40 frames, but a clip spans 43"


def test_the_command_prints_a_table_and_its_exit_status_tells(folder, capsys):
    with pytest.raises(SystemExit) as ended:
        command(["check", str(folder)])
    lines = capsys.readouterr().out.splitlines()
    assert ended.value.code == 1
    assert lines[0] == "b/again.avi  duplicate        the same bytes as a/fine.avi"
    assert "; 7 files to look at: 1 duplicate, 1 fewer frames, 1 no video stream, 1 short, 3 unreadable" in lines[7]
    with pytest.raises(SystemExit) as ended:
        command(["check", str(folder / "a")])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("2 videos, 80 frames; 0 files to look at: nothing wrong\n")


def test_listed_files_are_checked_wherever_they_are(folder, tmp_path):
    outside = tmp_path / "outside.avi"
    outside.write_bytes(CUT)
    files = [folder / "a/fine.avi", outside, folder / "none.avi"]
    report = check_files(files, folder, workers=1)
    assert (report.videos, report.frames) == (3, 40 + probe(CUT)[0].num_frames)
    assert [(finding.file, finding.kind) for finding in report.findings] == [
        (str(outside), "fewer frames"),
        ("none.avi", "unreadable"),
    ]


def test_a_folder_without_videos_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no folder .*none"):
        check(tmp_path / "none")
    with pytest.raises(ValueError, match=r"no video in .*; they are called \*.3gp"):
        check(tmp_path)


@pytest.mark.slow
def test_real_odd_files_are_told_apart(odd, tmp_path):
    broken = ("derived__lfs_pointer.avi", "derived__zero_bytes.avi", "php__WrongFile.mp4", "streamio__broken.mp4")
    sound = (
        "torchcodec__h265_10bits.mp4",
        "moviepy__no_duration.webm",
        "torchcodec__var_fps_video.mp4",
        "php__Test.ogv",
    )
    cut = ("derived__truncated_half_v_YoYo_g01_c01.avi", "derived__truncated_half_Jump_8_1.mp4")
    for name in (*broken, *sound, *cut):
        (tmp_path / name).symlink_to(odd / name)
    kinds = {finding.file: finding.kind for finding in check(tmp_path).findings}
    assert kinds["derived__truncated_half_v_YoYo_g01_c01.avi"] == "fewer frames"
    assert kinds["derived__truncated_half_Jump_8_1.mp4"] == "truncated"
    assert {kinds[name] for name in broken} == {"unreadable"}
    assert not kinds.keys() & set(sound)
    with pytest.raises(ValueError, match="no video stream"):
        probe((odd / "moviepy__with-attached-pic.mp3").read_bytes())
