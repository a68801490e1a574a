import time

import pytest

from r3d_jax.models import onednn_probe


@pytest.fixture(scope="session")
def takes_bfloat16(shared, once):
    """Whether oneDNN's convolution takes bfloat16 here, be it slowly: on x86-64 with AVX-512."""
    path = shared / "bfloat16.txt"
    with once("bfloat16"):
        if not path.exists():
            forms = ["bfloat16 y"] if onednn_probe.holds("float32", "y") else []
            told = onednn_probe._run_child(forms, time.monotonic() + 60)[0] if forms else {}
            path.write_text("yes" if any(told.values()) else "")
    return bool(path.read_text())


@pytest.fixture
def here():
    """oneDNN's convolution."""
    if not onednn_probe.holds("float32", "y"):
        pytest.skip("oneDNN's convolution does not hold here")


@pytest.fixture
def short(takes_bfloat16):
    """oneDNN's convolution in bfloat16."""
    if not takes_bfloat16:
        pytest.skip("oneDNN's convolution in bfloat16 does not hold here")
