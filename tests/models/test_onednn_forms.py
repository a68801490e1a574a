import pytest

from r3d_jax.models import conv3d, onednn, onednn_forms, onednn_probe


def test_every_form_holds_where_one_does():
    if not onednn_probe.holds("float32", "y"):
        pytest.skip("oneDNN's convolution does not hold here")
    assert all(onednn_probe.holds("float32", kind) for kind in onednn_probe.KINDS)


def test_another_result_or_an_error_is_told(monkeypatch, capsys):
    def fails(*_, **__):
        raise RuntimeError("no such custom call")

    def wrong(x, kernel, **options):
        return conv3d.portable(x, kernel, **options) * 1.001

    monkeypatch.setattr(onednn_forms, "CASES", onednn_forms.CASES[4:])
    for call, answer in ((conv3d.portable, "holds"), (wrong, "differs"), (fails, "differs")):
        monkeypatch.setattr(onednn, "convolution", call)
        onednn_forms.main(["float32 y"])
        assert capsys.readouterr().out == f"float32 y: {answer}\n"


def test_values_that_are_no_numbers_do_not_hold(monkeypatch, capsys):
    monkeypatch.setattr(onednn, "convolution", lambda x, kernel, **_: x.sum() * float("nan"))
    onednn_forms.main(["float32 y"])
    assert capsys.readouterr().out == "float32 y: differs\n"
