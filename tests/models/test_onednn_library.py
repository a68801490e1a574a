import importlib.metadata

import numpy as np
import pytest

from r3d_jax.models import onednn_library
from r3d_jax.models.onednn_library import DESTINATION, PACKAGE, SOURCE


@pytest.fixture
def anew():
    """Nothing is loaded yet; what has been is there again afterwards."""
    loaded = onednn_library.library, onednn_library.lacking
    for each in loaded:
        each.cache_clear()
    yield
    onednn_library.lacking.cache_clear()


def test_an_array_is_put_in_another_order(here, rng):
    x, found = rng.standard_normal((3, 5), np.float32), np.zeros((5, 3), np.float32)
    given, wanted = (onednn_library.described((3, 5), strides, "float32") for strides in ((5, 1), (1, 3)))
    assert onednn_library.byte_count(given) == 60
    at = {SOURCE: (given, x.ctypes.data), DESTINATION: (wanted, found.ctypes.data)}
    onednn_library.run(onednn_library.reorder(given, wanted), at)
    np.testing.assert_array_equal(found, x.T)
    assert onednn_library.order(given) == ((5, 1), (3, 5), (), ()) != onednn_library.order(wanted)


def test_what_onednn_refuses_is_an_error(here):
    chosen = onednn_library.described((3, 5), None, "float32")
    with pytest.raises(RuntimeError, match="oneDNN's reorder_primitive_desc_create failed with status 2"):
        onednn_library.reorder(chosen, chosen)
    clips = onednn_library.described((1, 16, 2, 2, 2), None, "bfloat16")
    kernel = onednn_library.described((16, 16, 1, 1, 1), None, "float32")
    geometry = onednn_library.Geometry(clips, kernel, clips, (1, 1, 1), (0, 0, 0), (0, 0, 0))
    with pytest.raises(NotImplementedError, match="oneDNN has no such convolution_forward"):
        onednn_library.forward(geometry)


def test_without_the_package_there_is_no_onednn(anew, monkeypatch):
    monkeypatch.setattr(onednn_library, "PACKAGE", "no-such-package")
    assert onednn_library.lacking() == "the package no-such-package is not installed"
    assert onednn_library.release() == ""


@pytest.mark.parametrize("files, why", [([], "has no libdnnl.so.3"), (None, "has no libdnnl.so.3")])
def test_a_package_without_the_library_is_told(anew, monkeypatch, files, why):
    monkeypatch.setattr(importlib.metadata, "files", lambda name: files)
    told = onednn_library.lacking()
    assert told.startswith(f"{PACKAGE} and llvmlite, which calls it, cannot be loaded (") and why in told


def test_a_library_that_cannot_be_loaded_is_told(anew, monkeypatch, tmp_path):
    broken = tmp_path / "libdnnl.so.3"
    broken.write_text("not a library")

    class File:
        name = broken.name

        def locate(self):
            return broken

    monkeypatch.setattr(importlib.metadata, "files", lambda name: [File()])
    assert "invalid ELF header" in onednn_library.lacking() or "file too short" in onednn_library.lacking()
