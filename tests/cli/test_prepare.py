import importlib.util

import pytest
from videos import encode, frames_of

from r3d_jax import pipelines
from r3d_jax.cli.prepare import parted
from r3d_jax.errors import InputError

CONFIG = """
from r3d_jax.config import Config, DataConfig

def get_config():
    return Config(data=DataConfig(name="video_folder", source={source!r}, max_broken=1.0, reencode=32))
"""


@pytest.fixture
def config(tmp_path):
    for label in ("run", "sit"):
        for i in range(3):
            path = tmp_path / "mine" / label / f"{label}{i}.avi"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(frames_of(8 + i + 4 * (label == "run"), 48, 64)))
    (tmp_path / "mine" / "sit" / "broken.avi").write_bytes(b"<html>")
    file = tmp_path / "mine.py"
    file.write_text(CONFIG.format(source=str(tmp_path / "mine")))
    return file


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_settings_and_beams_options_are_told_apart():
    arguments = ["--config.data.renew", "True", "--flink_master", "a:1", "--noconfig.data.renew", "--x=1"]
    assert parted(arguments) == (
        ["--config.data.renew", "True", "--noconfig.data.renew"],
        ["--flink_master", "a:1", "--x=1"],
    )
    assert parted(["stray"]) == (["stray"], [])


def test_a_data_set_is_prepared_as_training_would(run, config, tmp_path):
    place = tmp_path / "here"
    arguments = ("prepare", f"--config={config}", f"--config.data.data_dir={place}", "--runner=threads")
    status, printed = run(*arguments)
    assert status == 0 and "1 of 7 videos cannot be decoded and are left out:\n  sit/broken.avi: not a vid" in printed
    assert printed.splitlines()[-1] == f"video_folder is prepared in {place}: 6 videos of 2 classes"
    assert run(*arguments, "--config.data.key_every=0")[0].startswith("error: `data.key_every` (=0) must be")
    assert "unknown argument '--flink_master=a:1'" in run(*arguments, "--flink_master=a:1")[0]


def test_without_beam_one_message_names_what_to_install(run, config, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    status, _ = run("prepare", f"--config={config}", "--runner=DirectRunner")
    assert status.startswith("error: --runner DirectRunner needs Apache Beam") and "r3d_jax[beam]" in status


def test_beam_is_used_where_it_is_and_there_are_cores_for_it(run, config, monkeypatch):
    def asked(*given):
        raise InputError(f"asked for {given}")

    monkeypatch.setattr(pipelines, "installed", lambda: True)
    monkeypatch.setattr(pipelines, "options_of", asked)
    monkeypatch.setattr("r3d_jax.training.from_config.load_videos", lambda *_: asked("threads"))
    for cores, wanted in ((2, "('threads',)"), (3, "('DirectRunner', [])")):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        assert run("prepare", f"--config={config}")[0] == f"error: asked for {wanted}"


@pytest.mark.slow
def test_beam_ends_with_the_same_files_and_says_the_same(run, config, tmp_path):
    printed = []
    for name, runner in (("plain", "threads"), ("beam", "DirectRunner")):
        own = ["--direct_num_workers=1"] if name == "beam" else []
        place = f"--config.data.data_dir={tmp_path / name}"
        status, text = run("prepare", f"--config={config}", place, f"--runner={runner}", *own)
        assert status == 0
        printed.append(
            [line.replace(str(tmp_path / name), "") for line in text.splitlines() if not line.startswith("re-encoded")]
        )
    assert printed[0] == printed[1] and contents(tmp_path / "plain") == contents(tmp_path / "beam")
