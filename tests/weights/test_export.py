import json
import subprocess
import sys
from functools import partial

import jax
import numpy as np
import pytest
from seeded import tensor

import r3d_jax
from r3d_jax.errors import InputError
from r3d_jax.models.classifier import build
from r3d_jax.models.presets import PRESETS
from r3d_jax.weights.export import export
from r3d_jax.weights.torch_names import from_torch, torch_names
from r3d_jax.weights.trained import TrainedNetwork

CLIP = (4, 16, 16, 3)
JAX_ALONE = """
import json, sys
import jax, numpy as np
file = np.load(sys.argv[1])
program = jax.export.deserialize(bytearray(file["program"]))
weights = {name: file[name] for name in file.files if "/" in name}
facts = json.loads(str(file["facts"]))
for name in sys.argv[2:]:
    logits = program.call(weights, np.load(name))
    np.save(name, logits)
print(facts["class_names"], program.platforms, [m for m in ("r3d_jax", "flax", "safetensors") if m in sys.modules])
"""


def network_of(name, classes=("ride", "run", "swim"), **options):
    model = build(name, len(classes), **options)
    # Drawn without JAX, which would compile for seconds.
    names = {name: tensor(name, shape) for name, (_, shape) in torch_names(model, "classyvision").items()}
    variables = from_torch(names, model)
    return TrainedNetwork(model, variables, classes, CLIP, 2, 20, 12.5, 7, 3)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "tiny.npz"
    network = network_of("r3d_18", blocks=(1, 1, 1, 1), planes=4, stem_planes=4, pool=(1, 1, 1))
    return network, path, export(network, path)


def test_jax_alone_runs_it_on_any_number_of_videos_views_and_pixels(exported, tmp_path, rng):
    network, path, _ = exported
    shapes = [(1, 1, 4, 16, 16, 3), (3, 2, 4, 16, 20, 3), (2, 3, 4, 33, 47, 3)]
    clips = [rng.integers(0, 256, shape, np.uint8) for shape in shapes]
    files = [tmp_path / f"{i}.npy" for i in range(len(shapes))]
    for file, each in zip(files, clips):
        np.save(file, each)
    command = [sys.executable, "-W", "error", "-c", JAX_ALONE, path, *files]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['ride', 'run', 'swim'] ('cpu', 'cuda', 'tpu') []"
    predict = jax.jit(partial(r3d_jax.predict_fn, model=network.model))
    for file, each in zip(files, clips):
        expected = predict(network.variables, each)
        np.testing.assert_allclose(np.load(file), expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_it_is_loaded_as_what_was_exported(exported):
    network, path, _ = exported
    for file in (path, path.with_suffix(".safetensors")):
        loaded = r3d_jax.load(file)
        assert loaded._replace(variables=None) == network._replace(variables=None)
        jax.tree.map(np.testing.assert_array_equal, loaded.variables, network.variables)
    assert loaded.mean == network.model.mean and loaded.std == network.model.std


def test_it_says_how_it_is_called_and_what_it_weighs(exported):
    _, path, lines = exported
    with np.load(path) as file:
        facts = json.loads(str(file["facts"]))
    assert "[video, view, time, height, width, channel]" in facts["call"] and facts["least_size"] == 16
    assert "MiB, of which the program is" in lines[0] and "loads in" in lines[1] and "safetensors: 0." in lines[2]


@pytest.mark.parametrize("name", ["mc3_18", "resnext3d_101_32x8d", "r2plus1d_18", "i3d_r50"])
def test_every_kind_of_network_can_be_exported(name, tmp_path, rng):
    small = {"planes": 4, "stem_planes": 4} | ({"width_per_group": 4} if "bottleneck" in PRESETS[name].residual else {})
    small |= {"groups": 2} if PRESETS[name].groups > 1 else {}
    network = network_of(name, blocks=(1, 1, 1, 1), **small)
    export(network, tmp_path / "network.npz")
    with np.load(tmp_path / "network.npz") as file:
        program = jax.export.deserialize(bytearray(file["program"]))
        weights = {name: file[name] for name in file.files if "/" in name}
    clips = rng.integers(0, 256, (2, 1, 4, 18, 17, 3), np.uint8)
    expected = jax.jit(partial(r3d_jax.predict_fn, model=network.model))(network.variables, clips)
    np.testing.assert_allclose(program.call(weights, clips), expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_nothing_is_overwritten(exported, tmp_path):
    network, path, _ = exported
    with pytest.raises(InputError, match=r"tiny.npz is there already"):
        export(network, path)
    (tmp_path / "a.safetensors").write_text("mine")
    with pytest.raises(InputError, match=r"a.safetensors is there already"):
        export(network, tmp_path / "a.npz")
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]
    with pytest.raises(InputError, match=r"must be called \*.npz"):
        export(network, tmp_path / "a.bin")


def altered(path, out, **changes):
    with np.load(path) as file:
        content = {name: file[name] for name in file.files}
    for name, value in changes.items():
        content[name] = value(content[name])
    np.savez(out, **{name: value for name, value in content.items() if value is not None})


def without(*names):
    def change(facts):
        return np.array(
            json.dumps({name: value for name, value in json.loads(str(facts)).items() if name not in names})
        )

    return change


def one_class_more(facts):
    facts = json.loads(str(facts))
    return np.array(json.dumps(facts | {"class_names": [*facts["class_names"], "sit"]}))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"facts": lambda _: None}, "is no exported network that can be read"),
        ({"facts": lambda _: np.array("{")}, "is no exported network that can be read"),
        ({"facts": without("network")}, "lacks 'network'; export it again"),
        ({"facts": without("stride")}, "lacks .*stride.*; export it again"),
        ({"facts": one_class_more}, "a.npz names 4 classes, but its head has 3; it needs one name for each"),
        (
            {"params/heads_0/kernel": lambda kernel: kernel[:1]},
            "holds other weights than its network has .params/heads_0/kernel",
        ),
        ({"params/heads_0/bias": lambda _: np.array([{}])}, "is no exported network that can be read"),
    ],
)
def test_a_file_that_does_not_fit_says_what_to_do(exported, tmp_path, changes, message):
    altered(exported[1], tmp_path / "a.npz", **changes)
    with pytest.raises(InputError, match=message):
        r3d_jax.load(tmp_path / "a.npz")


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\3\4"])
def test_another_file_of_that_name_is_refused(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match="is no exported network that can be read"):
        r3d_jax.load(tmp_path / "a.npz")
