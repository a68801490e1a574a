import jax
import pytest

from r3d_jax.errors import InputError
from r3d_jax.inference import precision
from r3d_jax.inference.precision import choose_dtype
from r3d_jax.models import onednn_probe


def test_bfloat16_is_chosen_where_it_is_faster_and_moves_little(network, monkeypatch):
    for most, expected in ((1.0, "bfloat16"), (0.0, "float32")):
        monkeypatch.setattr(precision, "MOST", most)
        dtype, line = choose_dtype(network, is_faster=lambda: True)
        assert dtype == expected and f"activations are {expected}" in line and line.endswith(f"up to {most} is taken")
    assert 0 < float(line.partition("probabilities by ")[2].split()[0]) < 0.1


def test_where_it_is_not_faster_nothing_is_computed(network, monkeypatch):
    monkeypatch.setattr(precision, "make_forward", None)
    for wanted in ("auto", "float32"):
        dtype, line = choose_dtype(network, wanted, is_faster=lambda: False)
        assert dtype == "float32" and line.endswith("activations are float32")


def test_whoever_names_a_type_has_it(network, monkeypatch):
    monkeypatch.setattr(precision, "make_forward", None)
    assert choose_dtype(network, "float32", is_faster=lambda: True)[0] == "float32"
    dtype, line = choose_dtype(network, "bfloat16", is_faster=lambda: False)
    assert dtype == "bfloat16" and "activations are bfloat16" in line
    with pytest.raises(InputError, match=r"`dtype` \(='float16'\) must be one of auto, float32, bfloat16"):
        choose_dtype(network, "float16")


def test_it_is_faster_where_onednn_has_it(monkeypatch):
    asked = []
    monkeypatch.setattr(onednn_probe, "holds", lambda *form: asked.append(form) or True)
    assert precision.is_faster() and asked == [("bfloat16", "y")]
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert not precision.is_faster()
