"""Made-up published networks from a server on this machine: downloaded, converted, kept, the same as their files."""

import errno
import hashlib
import os
import subprocess
import sys
import threading
from collections import OrderedDict
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest
from closeness import close
from fileserver import served
from seeded import tensor
from torchlike import write_pth
from trunks import TINY

import r3d_jax
from r3d_jax.errors import InputError
from r3d_jax.models.classifier import build
from r3d_jax.models.presets import PRESETS
from r3d_jax.video.clips import ClipSpec
from r3d_jax.weights import download, published, zoo
from r3d_jax.weights.published import Published
from r3d_jax.weights.torch_names import from_torch, torch_names

ROOT = Path(__file__).parents[2]
CLIP = ClipSpec(frames=4, crop=16, stride=2, train_sizes=(18, 20), test_size=18, views=2, crops=3)
MODEL = build("r3d_18", 400, **TINY)
THIN = Published(
    name="thin_k400",
    preset="thin",
    source="nobody",
    licence="MIT",
    url="",
    sha256="",
    classes="kinetics400",
    num_classes=400,
    top1=61.5,
    clip=CLIP,
    mean=(0.4, 0.5, 0.6),
    std=(0.2, 0.3, 0.4),
    average="probabilities",
    parameters=None,
    multiply_adds=None,
    file="thin.pth",
    options={"planes": 4, "blocks": [1, 1]},
)


def weights():
    return {name: tensor(name, shape) for name, (_, shape) in torch_names(MODEL, "torchvision").items()}


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """The bytes of the publisher's file, wrapped as such files are."""
    file = tmp_path_factory.mktemp("published") / "thin.pth"
    wrapped = {"state_dict": OrderedDict(weights()), "meta": {"epoch": np.float64(3)}}
    return write_pth(file, wrapped).read_bytes()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty cache folder."""
    monkeypatch.setenv(download.HOME, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def publish(home, content, monkeypatch):
    """Makes the thin network one of the published ones, with changed facts, at a server's address."""
    monkeypatch.setitem(PRESETS, "thin", MODEL.trunk.clone(planes=8, blocks=(2, 1)))

    def put(url, **changes):
        facts = {"url": f"{url}/thin.pth", "sha256": hashlib.sha256(content).hexdigest()[:8]} | changes
        entry = THIN._replace(**facts)
        monkeypatch.setattr(published, "_read", lambda: (entry,))
        return entry

    return put


def test_a_name_is_loaded_and_the_second_time_from_the_cache(publish, home, content):
    with served({"/thin.pth": content}) as server:
        publish(server.url)
        assert [each.name for each in r3d_jax.list_models()] == ["thin_k400"]
        found, again = r3d_jax.load("thin_k400"), r3d_jax.load(Path("thin_k400"))
        assert len(server.asked) == 1
    assert {each.name for each in home.iterdir()} == {"thin_k400.safetensors", ".thin_k400.lock", "thin.pth.sha256"}
    assert found.clip == again.clip == CLIP and found.class_names[290] == "sharpening knives"
    assert (found.model.mean, found.model.std) == (THIN.mean, THIN.std) and found.model.trunk == MODEL.trunk
    assert found.model.heads[0].average == "probabilities"
    jax.tree.map(np.testing.assert_array_equal, found.variables, from_torch(weights(), MODEL))
    jax.tree.map(np.testing.assert_array_equal, found.variables, again.variables)


def test_a_file_of_that_name_goes_before(publish, home):
    publish("http://127.0.0.1:1")
    Path("thin_k400").mkdir()
    with pytest.raises(InputError, match="no run in thin_k400: it has no"):
        r3d_jax.load("thin_k400")


def test_without_a_network_the_file_that_was_put_there_is_taken_and_kept(publish, home, content):
    publish("http://127.0.0.1:1")
    with pytest.raises(InputError, match=rf"thin.pth cannot be reached; .* put the file at {home}/thin.pth") as raised:
        r3d_jax.load("thin_k400")
    assert "\n" not in str(raised.value)
    (home / "thin.pth").write_bytes(content)
    assert r3d_jax.load("thin_k400").clip == CLIP and (home / "thin.pth").exists()


def test_a_mirror_stands_in_for_the_publisher(publish, content, monkeypatch):
    publish("https://no.such.host")
    with served({"/folder/thin.pth": content}) as server:
        monkeypatch.setenv(download.MIRROR, f"{server.url}/folder")
        assert r3d_jax.load("thin_k400").clip == CLIP


def test_a_publisher_who_replaces_a_file_is_noticed(publish, home, content):
    files = {"/thin.pth": content}
    with served(files) as server:
        publish(server.url, sha256="")
        r3d_jax.load("thin_k400")
        (home / "thin_k400.safetensors").unlink()
        files["/thin.pth"] = content + b"\n"
        with pytest.raises(InputError, match=r"is another file than it has to be: .* the first download had"):
            r3d_jax.load("thin_k400")


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"preset": "r3d_18", "options": {}},
            r"thin.pth is not thin_k400: these weights are not of this network:\n(.*\n)*remove it to",
        ),
        ({"num_classes": 174, "classes": "something_something_v2"}, "thin.pth has 400 classes, but thin_k400 has 174"),
    ],
)
def test_weights_of_something_else_are_refused(publish, content, changes, message):
    with served({"/thin.pth": content}) as server:
        publish(server.url, **changes)
        with pytest.raises(InputError, match=message):
            r3d_jax.load("thin_k400")


def test_a_truncated_file_is_refused_and_noted_nowhere(publish, home, content):
    with served({"/thin.pth": content[:-1000]}) as server:
        publish(server.url, sha256="")
        with pytest.raises(InputError, match=r"thin.pth cannot be read .*\nremove it to download it again"):
            r3d_jax.load("thin_k400")
    assert not (home / "thin.pth.sha256").exists() and not (home / "thin_k400.safetensors").exists()


def test_a_disk_that_is_full_when_it_is_converted_needs_no_second_download(publish, home, content, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with served({"/thin.pth": content}) as server:
        publish(server.url)
        with monkeypatch.context() as patched, pytest.raises(InputError, match=r"no space is left in .* for thin_k400"):
            patched.setattr(zoo.converted, "write", full)
            r3d_jax.load("thin_k400")
        assert r3d_jax.load("thin_k400").clip == CLIP and len(server.asked) == 1


def test_weights_that_expect_blue_first_take_red_first(rng, monkeypatch):
    """What is found of pixels is what the published weights find of the pixels turned round."""
    monkeypatch.setitem(PRESETS, "thin", MODEL.trunk)
    entry = THIN._replace(mean=(0.45,) * 3, std=(0.2,) * 3)
    plain, turned = (zoo.as_published(weights(), entry._replace(bgr=bgr))[0] for bgr in (False, True))
    clips = rng.integers(0, 256, (1, 1, 4, 16, 16, 3), np.uint8)
    predict = jax.jit(partial(r3d_jax.predict_fn, model=plain.model))
    close(predict(turned.variables, clips), predict(plain.variables, clips[..., ::-1]))


def test_threads_that_ask_at_once_download_it_once(publish, content):
    found = []
    with served({"/thin.pth": content}) as server:
        entry = publish(server.url)
        threads = [threading.Thread(target=lambda: found.append(zoo.obtain(entry))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(server.asked) == 1
    assert len(found) == 4 and len(set(found)) == 1


SCRIPT = """
import sys
from test_zoo import MODEL, THIN
from r3d_jax.models.presets import PRESETS
from r3d_jax.weights import published
import r3d_jax

PRESETS["thin"] = MODEL.trunk.clone(planes=8)
published._read = lambda: (THIN._replace(url=sys.argv[1]),)
print(len(r3d_jax.load("thin_k400").class_names))
"""


@pytest.mark.slow
def test_two_processes_fill_the_cache_at_once(home, content):
    with served({"/thin.pth": content}) as server:
        command = [sys.executable, "-c", SCRIPT, f"{server.url}/thin.pth"]
        environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT}/tests:{ROOT}/tests/weights"}
        both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        assert [each.communicate()[0] for each in both] == ["400\n", "400\n"]
        assert len(server.asked) == 1
