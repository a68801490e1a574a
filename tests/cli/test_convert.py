import argparse

from r3d_jax.cli.convert import add_flags
from r3d_jax.weights.load import load
from r3d_jax.weights.torch_names import NAMINGS


def test_what_is_found_and_written_is_printed(run, source, tmp_path):
    (tmp_path / "names.txt").write_text("ski\njump\ndive\n")
    flags = (f"--classes={tmp_path / 'names.txt'}", "--mean", "0.4,0.5,0.6", "--test_size=20", "--crop", 18)
    status, printed = run("convert", source, tmp_path / "out.safetensors", *flags)
    assert status == 0 and f"{source}: a converted network" in printed and "3 classes (ski ... dive)" in printed
    found = load(tmp_path / "out.safetensors")
    assert found.class_names == ("ski", "jump", "dive") and found.model.mean == (0.4, 0.5, 0.6)
    assert (found.clip.test_size, found.clip.crop) == (20, 18)


def test_classes_without_names_lead_to_the_flag_that_names_them(run, tmp_path, monkeypatch):
    told = ["3 classes (numbered; a file of `classes` names them)", "`nothing`"]
    monkeypatch.setattr("r3d_jax.weights.convert.convert", lambda *_, **__: told)
    _, printed = run("convert", tmp_path / "some.pth", tmp_path / "out.safetensors")
    assert printed == "3 classes (numbered; a file of --classes names them)\n`nothing`\n"


def test_mistakes_name_flags(run, source, tmp_path):
    out = tmp_path / "out.safetensors"
    message = "error: --frames (=-1), --test_size (=-2) must be at least 1, or 0 for what the network brings"
    assert run("convert", source, out, "--frames=-1", "--test_size=-2")[0] == message
    assert run("convert", source, out, "--mean", "a,b,c")[0] == 2
    assert not out.exists()


def test_what_is_pushed_is_the_file_with_its_publisher(run, source, tmp_path, monkeypatch):
    pushed = []
    monkeypatch.setattr("r3d_jax.weights.hub.push", lambda *given: pushed.append(given) or "pushed")
    monkeypatch.setenv("R3D_JAX_HOME", str(tmp_path))
    (tmp_path / "mc3_18_k400.safetensors").write_bytes(source.read_bytes())
    for name in (source, "mc3_18_k400"):
        status, printed = run("convert", name, tmp_path / f"{len(pushed)}.safetensors", "--push=hf://me/net")
        assert status == 0 and printed.endswith("names\npushed\n")
    (address, file, network, published), (*_, other) = pushed
    assert (address, file, published) == ("hf://me/net", tmp_path / "0.safetensors", None)
    assert network.class_names == ("ride", "run", "swim") and other.name == "mc3_18_k400"
    status, _ = run("convert", source, tmp_path / "2.safetensors", "--push=me/net")
    assert status == "error: 'me/net' is no address of the Hugging Face Hub; write hf://OWNER/NAME"
    assert not (tmp_path / "2.safetensors").exists()


def test_a_quoted_tilde_is_the_home(run, source, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "tiny.safetensors").write_bytes(source.read_bytes())
    assert run("convert", "~/tiny.safetensors", "~/out.safetensors")[0] == 0
    assert (tmp_path / "out.safetensors").exists()


def test_tensors_can_get_the_names_of_every_project_that_has_3d_networks():
    """The flag lists them itself, so that a call for help does not wait for jax."""
    parser = argparse.ArgumentParser()
    add_flags(parser)
    assert set(parser._option_string_actions["--names"].choices) == set(NAMINGS) - {"torchvision_2d"}
