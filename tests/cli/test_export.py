import pytest


@pytest.mark.slow
def test_an_exported_network_predicts_as_before(run, source, folder, tmp_path):
    status, printed = run("export", source, tmp_path / "tiny.npz")
    assert status == 0 and "loads in" in printed
    before, after = (run("predict", each, folder / "v0.avi")[1] for each in (source, tmp_path / "tiny.npz"))
    assert before == after


def test_a_file_that_is_there_is_left_alone(run, source, tmp_path):
    (tmp_path / "tiny.npz").write_text("mine")
    status, _ = run("export", source, tmp_path / "tiny.npz")
    assert status.startswith(f"error: {tmp_path}/tiny.npz is there already")
    assert (tmp_path / "tiny.npz").read_text() == "mine"


@pytest.mark.slow
def test_a_name_ending_in_onnx_asks_for_such_a_file(run, source, tmp_path):
    status, printed = run("export", source, tmp_path / "tiny.onnx")
    assert status == 0 and "tiny.onnx: 0.0 MiB, from `clips` to `logits`, `probabilities`" in printed
    assert [file.name for file in tmp_path.iterdir()] == ["tiny.onnx"]
    status, _ = run("export", source, tmp_path / "a.onnx", "--dtype", "bfloat16")
    assert status.startswith("error: --dtype (=bfloat16) is for *.npz; an *.onnx file is in float32")
    status, _ = run("export", source, tmp_path / "tiny.pt")
    assert status == f"error: {tmp_path}/tiny.pt must be called *.npz or *.onnx, which is what it will be"
