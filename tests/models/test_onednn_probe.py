import json
import platform
import sys

import jax
import jaxlib
import pytest

from r3d_jax.models import onednn_package, onednn_probe, processor
from r3d_jax.models.onednn_probe import KINDS, describe, holds

# Stands for the child that tries the forms: counts its calls, and does at one form what it is told to.
CHILD = """
import os, signal, sys, time
open({calls!r}, "a").write("x")
for form in sys.argv[1:]:
    if form in {at!r}:
        {does}
    print(f"{{form}}: holds", flush=True)
"""
ABORTS, HANGS = "os.kill(os.getpid(), signal.SIGABRT)", "time.sleep(60)"


@pytest.fixture
def folder(tmp_path):
    """The folder of the compilation cache, an empty one until the test ends."""
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "cache"))
    yield tmp_path / "cache"
    jax.config.update("jax_compilation_cache_dir", before)
    onednn_probe._holding.cache_clear()


@pytest.fixture
def child(tmp_path, monkeypatch, folder):
    """Puts another child in the place of the real one, as in a new process; counts how often it has run."""
    calls = tmp_path / "calls"
    calls.write_text("")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(processor, "multiplies_bfloat16", lambda: False)
    monkeypatch.setattr(onednn_package, "lacking", lambda: None)

    def put(*at, does="pass"):
        code = CHILD.format(calls=str(calls), at=at, does=does)
        monkeypatch.setattr(onednn_probe, "CHILD", (sys.executable, "-S", "-c", code))
        onednn_probe._holding.cache_clear()
        return lambda: len(calls.read_text())

    return put


def held(dtype="float32"):
    return [kind for kind in KINDS if holds(dtype, kind)]


def test_what_holds_is_found_out_once(child, folder):
    count = child()
    assert held() == list(KINDS) and held("bfloat16") == [] and held("float64") == [] and count() == 1
    told = "convolutions run in oneDNN (R3D_JAX_ONEDNN=0 turns it off); activations are"
    assert describe("float32") == f"{told} float32"
    assert describe("bfloat16") == f"{told} bfloat16, computed in float32 on this processor"
    assert child("float32 y", does=ABORTS)() == 1 and held() == list(KINDS)
    (record,) = folder.glob("onednn-*.json")
    assert json.loads(record.read_text())["forms"] == {f"float32 {kind}": True for kind in KINDS}


def test_another_jaxlib_onednn_or_processor_is_another_matter(child, folder, monkeypatch):
    count = child()
    assert held() and count() == 1
    monkeypatch.setattr(jaxlib, "__version__", "0.0.1")
    assert child() and held() and count() == 2
    monkeypatch.setattr(onednn_package, "release", lambda: "0.0.1")
    assert child() and held() and count() == 3
    monkeypatch.setattr(processor, "name", lambda: "another")
    assert child() and held() and count() == 4
    monkeypatch.setattr(processor, "multiplies_bfloat16", lambda: True)
    assert held("bfloat16") == list(KINDS) and count() == 5
    assert describe("bfloat16").endswith("activations are bfloat16")
    assert len(list(folder.glob("onednn-*.json"))) == 5


def test_a_form_that_ends_the_process_does_not_hold(child, folder):
    count = child("float32 k", "float32 grouped x", does=ABORTS)
    assert held() == ["y", "x", "grouped y", "grouped k", "fused y", "grouped fused y"] and count() == 3
    told = describe("float32")
    assert "at 0.6 of the speed" in told and f"jaxlib {jaxlib.__version__} on this processor: float32 k" in told
    (record,) = folder.glob("onednn-*.json")
    assert f"float32 grouped x; remove {record} to try again" in told


def test_where_only_fused_forms_do_not_hold_the_convolutions_are_still_onednns(child):
    child("float32 fused y", does=ABORTS)
    assert held() == [kind for kind in KINDS if kind != "fused y"]
    told = "convolutions run in oneDNN, but what follows them by itself, where oneDNN's do not hold in jaxlib "
    assert describe("float32").startswith(told) and "on this processor: float32 fused y; remove " in describe("float32")


def test_a_form_that_differs_does_not_hold(child):
    child("float32 x", does="print(f'{form}: differs'); continue")
    assert held() == ["y", "k", "grouped y", "grouped x", "grouped k", "fused y", "grouped fused y"]


def test_without_the_first_form_there_is_none(child):
    count = child("float32 y", does=ABORTS)
    assert held() == [] and count() == 1 and "on this processor: all; remove" in describe("float32")
    assert child()() == 1 and held() == []


def test_a_type_may_hold_without_the_other(child, monkeypatch):
    monkeypatch.setattr(processor, "multiplies_bfloat16", lambda: True)
    count = child("bfloat16 y", does=ABORTS)
    assert held() == list(KINDS) and held("bfloat16") == [] and count() == 1
    assert "on this processor: bfloat16 y, bfloat16 x, " in describe("float32")


def test_a_form_that_does_not_end_does_not_hold(child, monkeypatch):
    monkeypatch.setattr(onednn_probe, "SECONDS", 1)
    child("float32 k", does=HANGS)
    assert held() == ["y", "x"]


@pytest.mark.parametrize("does", ["os.kill(os.getpid(), signal.SIGKILL)", "raise KeyboardInterrupt"])
def test_a_child_that_somebody_ends_says_nothing_for_good(child, does):
    count = child("float32 y", does=does)
    assert held() == [] and count() == 1
    assert child() and held() == list(KINDS) and count() == 2


def test_a_child_that_cannot_start_says_nothing_for_good(child, monkeypatch, folder):
    child()
    monkeypatch.setattr(onednn_probe, "CHILD", ("/no/such/python",))
    assert held() == [] and not folder.exists()


def test_without_a_folder_each_process_tries_once(child, folder):
    folder.write_text("not a folder")
    count = child()
    assert held() == list(KINDS) and count() == 1
    assert child() and held() == list(KINDS) and count() == 2


def test_a_damaged_record_is_made_again(child, folder):
    count = child()
    held()
    (record,) = folder.glob("onednn-*.json")
    for text in ("", "[]", '{"forms": 3}', "{}"):
        record.write_text(text)
        assert child() and held() == list(KINDS)
    assert count() == 5


def test_it_can_be_turned_off(child, monkeypatch):
    count = child()
    monkeypatch.setenv("R3D_JAX_ONEDNN", "0")
    assert held() == [] and count() == 0 and describe("float32").partition(";")[0].endswith("R3D_JAX_ONEDNN is 0")


@pytest.mark.parametrize("system, machine", [("darwin", "x86_64"), ("linux", "aarch64"), ("win32", "AMD64")])
def test_other_systems_never_try(child, monkeypatch, system, machine):
    count = child()
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert held() == [] and count() == 0 and "for Linux on x86-64" in describe("float32")


def test_without_the_library_nothing_is_tried(child, monkeypatch):
    count = child()
    monkeypatch.setattr(onednn_package, "lacking", lambda: "the package x is not installed")
    assert held() == [] and count() == 0 and "at 0.6 of oneDNN's speed: the package x is not" in describe("float32")
