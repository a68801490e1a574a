import importlib.metadata
import os

import pytest

from r3d_jax.models import onednn_package
from r3d_jax.models.onednn_package import PACKAGE


@pytest.fixture
def anew():
    """Nothing is loaded yet; what has been is there again afterwards."""
    loaded = onednn_package.library, onednn_package.lacking
    for each in loaded:
        each.cache_clear()
    yield
    onednn_package.lacking.cache_clear()


def test_without_the_package_there_is_no_onednn(anew, monkeypatch):
    monkeypatch.setattr(onednn_package, "PACKAGE", "no-such-package")
    assert onednn_package.lacking() == "the package no-such-package is not installed"
    assert onednn_package.release() == ""


@pytest.mark.parametrize("files, why", [([], "has no libdnnl.so.3"), (None, "has no libdnnl.so.3")])
def test_a_package_without_the_library_is_told(anew, monkeypatch, files, why):
    monkeypatch.setattr(importlib.metadata, "files", lambda name: files)
    told = onednn_package.lacking()
    assert told.startswith(f"{PACKAGE} and llvmlite, which calls it, cannot be loaded (") and why in told


def test_a_library_that_cannot_be_loaded_is_told(anew, monkeypatch, tmp_path):
    broken = tmp_path / "libdnnl.so.3"
    broken.write_text("not a library")

    class File:
        name = broken.name

        def locate(self):
            return broken

    monkeypatch.setattr(importlib.metadata, "files", lambda name: [File()])
    assert "invalid ELF header" in onednn_package.lacking() or "file too short" in onednn_package.lacking()


@pytest.mark.parametrize(
    "given, seen", [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, None)]
)
def test_openmps_threads_soon_sleep_unless_told_otherwise(monkeypatch, given, seen):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with onednn_package._few_spins():
        assert os.environ.get("GOMP_SPINCOUNT") == seen
    assert os.environ.get("GOMP_SPINCOUNT") == given.get("GOMP_SPINCOUNT")
