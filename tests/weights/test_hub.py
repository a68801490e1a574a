"""Networks go to a Hugging Face Hub and come back; the Hub is a small one on this machine."""

import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from hubserver import hub as small_hub
from untrained import CLASSES, CLIP, make_network

import r3d_jax
from r3d_jax.errors import InputError
from r3d_jax.weights import converted, hub
from r3d_jax.weights.load import is_published
from r3d_jax.weights.published import find

pytestmark = pytest.mark.filterwarnings("default")  # the package's own


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A Hub, with what leads the package to it, which it looks at when it is imported."""
    with small_hub() as server:
        for name, value in {"ENDPOINT": server.url, "TOKEN": "made-up", "HOME": tmp_path, "HUB_DISABLE_XET": 1}.items():
            monkeypatch.setenv(f"HF_{name}", str(value))
        for name in [name for name in sys.modules if name.partition(".")[0] == "huggingface_hub"]:
            monkeypatch.delitem(sys.modules, name)
        yield server


@pytest.fixture
def file(tmp_path):
    converted.write(tmp_path / "tiny.safetensors", make_network(), "classyvision")
    return tmp_path / "tiny.safetensors"


def test_what_is_pushed_is_loaded(server, file):
    assert hub.push("hf://me/net", file, make_network()) == "hf://me/net: published, with a description"
    assert server.files.keys() == {"README.md", "model.safetensors"}
    for address in ("hf://me/net", Path("hf://me/net")):  # as the command line makes of it
        found = r3d_jax.load(address)
        assert (found.class_names, found.clip) == (CLASSES, CLIP)
        jax.tree.map(np.testing.assert_array_equal, found.variables, make_network().variables)


def test_the_description_says_what_it_is_and_how_it_is_loaded():
    card = hub.model_card("hf://me/net", make_network())
    head, _, text = card.removeprefix("---\n").partition("\n---\n")
    assert "library_name: r3d_jax" in head and "license" not in head
    assert (
        'network = r3d_jax.load("hf://me/net")' in text and "Licence and source of the weights are not stated." in text
    )
    assert "4 frames" in text and "mean (0.485, 0.456, 0.406)" in text and "0. ride\n1. run\n2. swim\n" in text


def test_the_description_of_published_weights_names_their_publisher():
    card = hub.model_card("hf://me/net", make_network(), find("r3d_18_k400"))
    assert "license: bsd-3-clause" in card and "Weights of torchvision (BSD-3-Clause), converted from <https://" in card
    assert "Its publisher tells a top-1 accuracy of 63.20 %." in card


def test_addresses_are_of_an_owner_and_a_name(file):
    assert is_published("hf://me/net") and not is_published("me/net")
    for wrong in ("hf://net", "hf://a/b/c"):
        for call in (hub.check, hub.fetch, r3d_jax.load):
            with pytest.raises(InputError, match="is no address of the Hugging Face Hub; write hf://OWNER/NAME"):
                call(wrong)


def test_the_package_is_asked_for_only_here(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match="hf:// takes the package huggingface_hub: pip install huggingface_hub"):
        r3d_jax.load("hf://me/net")


def test_what_the_hub_refuses_is_one_message(server, file, monkeypatch):
    with pytest.raises(InputError, match="hf://me/net cannot be loaded: ") as raised:
        r3d_jax.load("hf://me/net")
    assert "\n" not in str(raised.value)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(InputError, match=r"hf://me/net cannot be published: .* log in with `hf auth login`, or set"):
        hub.push("hf://me/net", file, make_network())


def test_without_a_network_what_came_earlier_is_taken(server, file, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: None)  # between attempts of the package
    hub.push("hf://me/net", file, make_network())
    r3d_jax.load("hf://me/net")
    server.shutdown()
    server.server_close()
    assert r3d_jax.load("hf://me/net").class_names == CLASSES
    with pytest.raises(InputError, match=r"hf://me/other cannot be loaded: "):
        r3d_jax.load("hf://me/other")
