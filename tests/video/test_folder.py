from r3d_jax.video.folder import CALLED, SUFFIXES, videos_in


def test_videos_are_the_files_that_are_called_so_at_any_depth_in_order(tmp_path):
    wanted = ["a/deep/er/2.mp4", "a/1.AVI", "b.webm"]
    for name in (*wanted, "notes.txt", "a/mp4", "a/3.mp4.part"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.mp4").mkdir()
    assert videos_in(tmp_path) == sorted(tmp_path / name for name in wanted)
    assert videos_in(tmp_path / "folder.mp4") == []


def test_the_names_are_told():
    assert CALLED.startswith("they are called *.3gp, ") and all(f"*{suffix}" in CALLED for suffix in SUFFIXES)
