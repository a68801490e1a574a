import pytest
from videos import audio_only


@pytest.mark.slow
def test_a_map_is_written(run, source, folder, tmp_path):
    status, printed = run("cam", source, folder / "v0.avi", tmp_path / "v0.gif", "--class", "run")
    assert status == 0 and "run\n" in printed and "9 frames" in printed
    assert (tmp_path / "v0.gif").read_bytes().startswith(b"GIF89a")


def test_a_size_without_pixels_names_the_flag(run, source, folder, tmp_path):
    status, _ = run("cam", source, folder / "v0.avi", tmp_path / "v0.gif", "--size=1")
    assert status == "error: --size (=1) must be at least 2"


def test_a_video_without_a_video_stream_is_one_line(run, source, tmp_path):
    (tmp_path / "song.wav").write_bytes(audio_only())
    status, _ = run("cam", source, tmp_path / "song.wav", tmp_path / "v.mp4")
    assert status == f"error: {tmp_path}/song.wav: no video stream in it"


def test_a_video_that_is_not_there_is_one_line(run, source, tmp_path):
    status, _ = run("cam", source, tmp_path / "gone.avi", tmp_path / "v.mp4")
    assert status.startswith("error: ") and "No such file" in status and "gone.avi" in status
