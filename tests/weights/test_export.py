import json
import re
import subprocess
import sys
import zipfile
from functools import partial

import jax
import numpy as np
import pytest
from closeness import close
from seeded import GOLDEN, drawn
from trunks import TINY

import r3d_jax
from r3d_jax.errors import InputError
from r3d_jax.models.classifier import build
from r3d_jax.models.presets import PRESETS
from r3d_jax.video.clips import ClipSpec
from r3d_jax.weights import export as module
from r3d_jax.weights.export import export, read
from r3d_jax.weights.trained import TrainedNetwork

CLIP = ClipSpec(frames=4, stride=2, crop=16, train_sizes=(16, 18), test_size=20, frame_rate=12.5, views=7, crops=3)
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


def network_of(name, **options):
    model = build(name, 3, **options)
    return TrainedNetwork(model, drawn(model), ("ride", "run", "swim"), CLIP)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A network, its file and what `export` said; the user has a file of a like name beside it."""
    path = tmp_path_factory.mktemp("exported") / "tiny.npz"
    path.with_name("tiny.npz.tmp").write_text("mine")
    network = network_of("r3d_18", pool=(1, 1, 1), **TINY)
    return network, path, export(network, path)


@pytest.mark.slow
def test_two_files_are_written_and_what_the_user_has_is_kept(exported):
    _, path, _ = exported
    names = {"tiny.npz", "tiny.safetensors", "tiny.npz.tmp"}
    assert {file.name for file in path.parent.iterdir()} == names
    assert path.with_name("tiny.npz.tmp").read_text() == "mine"


@pytest.mark.slow
def test_jax_alone_runs_it_on_any_number_of_videos_views_and_pixels(exported, tmp_path, rng):
    network, path, _ = exported
    shapes = [(1, 1, 4, 16, 16, 3), (2, 3, 4, 33, 47, 3)]
    clips = [rng.integers(0, 256, shape, np.uint8) for shape in shapes]
    files = [tmp_path / f"{i}.npy" for i in range(len(shapes))]
    for file, each in zip(files, clips):
        np.save(file, each)
    command = [sys.executable, "-W", "error", "-c", JAX_ALONE, path, *files]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['ride', 'run', 'swim'] ('cpu', 'cuda', 'tpu') []"
    predict = jax.jit(partial(r3d_jax.predict_fn, model=network.model))
    for file, each in zip(files, clips):
        close(np.load(file), predict(network.variables, each))


def test_it_is_loaded_as_what_was_exported(exported):
    network, path, _ = exported
    for file in (path, path.with_suffix(".safetensors")):
        loaded = r3d_jax.load(file)
        assert loaded._replace(variables=None) == network._replace(variables=None)
        jax.tree.map(np.testing.assert_array_equal, loaded.variables, network.variables)


def test_a_file_of_an_earlier_version_is_read_and_its_program_runs():
    with np.load(GOLDEN / "earlier.npz") as file, np.load(GOLDEN / "earlier_logits.npz") as arrays:
        program = jax.export.deserialize(bytearray(file["program"]))
        weights, expected = {name: file[name] for name in file.files if "/" in name}, arrays["logits"]
    clips = np.random.default_rng(0).integers(0, 256, (2, 2, 4, 16, 20, 3), np.uint8)
    close(program.call(weights, clips), expected)
    found = read(GOLDEN / "earlier.npz")
    assert found.clip == ClipSpec(4, 2, 12.5, (20, 20), 16, 0.5, 20, 2, 3) and found.class_names[0] == "walk_right"


def test_it_says_how_it_is_called_and_what_it_weighs(exported):
    network, path, lines = exported
    with np.load(path) as file:
        facts = json.loads(str(file["facts"]))
    assert "[video, view, time, height, width, channel]" in facts["call"] and facts["least_size"] == 16
    assert facts["mean"] == list(network.model.mean) and facts["std"] == list(network.model.std)
    assert "MiB, of which the program is" in lines[0] and "loads in" in lines[1] and "safetensors: 0." in lines[2]
    assert float(re.search(r"within (\S+) of the largest", lines[1])[1]) < 1e-5


PER_STAGE = ("temporal_kernels", "temporal_conv_1x1", "temporal_strides", "spatial_strides")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mc3_18", "resnext3d_101_32x8d", "r2plus1d_18", "i3d_r50"])
def test_every_kind_of_network_can_be_exported(name, tmp_path, rng, monkeypatch):
    """Its first two stages, a block in each, with few channels; on clips of another size than it is tried on."""
    monkeypatch.setattr(module, "_tried", lambda *_: [])  # which compiles it twice more
    preset = PRESETS[name]
    small = {option: getattr(preset, option)[:2] for option in PER_STAGE}
    small |= {"blocks": (1, 1), "planes": 4, "stem_planes": 4, "width_per_group": 4, "groups": min(preset.groups, 2)}
    network = network_of(name, **small)
    export(network, tmp_path / "network.npz")
    with np.load(tmp_path / "network.npz") as file:
        program = jax.export.deserialize(bytearray(file["program"]))
        weights = {name: file[name] for name in file.files if "/" in name}
    clips = rng.integers(0, 256, (2, 1, 4, 18, 17, 3), np.uint8)
    expected = jax.jit(partial(r3d_jax.predict_fn, model=network.model))(network.variables, clips)
    close(program.call(weights, clips), expected)


@pytest.mark.slow
def test_a_network_that_averages_probabilities_can_be_exported(tmp_path):
    lines = export(network_of("r3d_18", pool=(1, 1, 1), average="probabilities", **TINY), tmp_path / "network.npz")
    assert float(re.search(r"within (\S+) of the largest", lines[1])[1]) < 1e-5


@pytest.mark.slow
def test_activations_may_be_bfloat16_and_the_answer_is_near(exported, tmp_path):
    network, _, lines = exported
    short = export(network, tmp_path / "network.npz", "bfloat16")
    exact, rough = (float(re.search(r"within (\S+) of the largest", text[1])[1]) for text in (lines, short))
    assert exact < 1e-5 < 1e-4 < rough < 0.1
    with np.load(tmp_path / "network.npz") as file:
        assert {file[name].dtype for name in file.files if "/" in name} == {np.dtype("float32")}


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


def fact(**changes):
    return lambda facts: np.array(json.dumps(json.loads(str(facts)) | changes))


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"facts": fact(views=10**12)},
            r"a.npz: `clip.views` .=1000000000000. must be at most 10000; convert or export",
        ),
        ({"facts": fact(stride=-3)}, r"a.npz: `clip.stride` .=-3. must be at least 1; convert or export"),
        ({"facts": fact(clip_shape=[10**9, 16, 16, 3])}, r"a.npz: `clip.frames` .=1000000000. must be at most 10000"),
        ({"params/heads_0/bias": lambda value: value * np.inf}, r"a.npz: the tensor params/heads_0/bias has \d values"),
        (
            {"params/heads_0/bias": lambda value: value.astype(int)},
            "a.npz: the tensor params/heads_0/bias is of type int",
        ),
    ],
)
def test_what_is_out_of_any_sense_is_refused(exported, tmp_path, changes, message):
    altered(exported[1], tmp_path / "a.npz", **changes)
    with pytest.raises(InputError, match=message):
        read(tmp_path / "a.npz")


def test_a_network_out_of_any_sense_is_refused_before_it_is_made_out(exported, tmp_path):
    with np.load(exported[1]) as file:
        network = json.loads(str(file["facts"]))["network"]
    for name, value in (("blocks", [10**9, 1]), ("planes", -4), ("planes", 10**12), ("stem_kernel", "x")):
        changed = network | {"trunk": network["trunk"] | {name: value}}
        altered(exported[1], tmp_path / "a.npz", facts=fact(network=changed))
        with pytest.raises(InputError, match=r"a.npz: not the description of a network of this version.*; convert or"):
            read(tmp_path / "a.npz")


def test_a_flipped_bit_is_noticed_by_the_checksums_of_zip(exported, tmp_path):
    network, path, _ = exported
    sound, chance, noticed = path.read_bytes(), np.random.default_rng(0), 0
    for place in chance.integers(0, 8 * len(sound), 60):
        content = bytearray(sound)
        content[place // 8] ^= 1 << place % 8
        (tmp_path / "a.npz").write_bytes(content)
        try:
            found = read(tmp_path / "a.npz")
        except InputError:
            noticed += 1
            continue
        # In the program, which is not read, or in what zip says of dates.
        jax.tree.map(np.testing.assert_array_equal, found.variables, network.variables)
        assert found._replace(variables=None) == network._replace(variables=None)
    assert noticed


def test_a_name_twice_is_refused(exported, tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(exported[1].read_bytes())
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("params/heads_0/bias.npy", archive.read("params/heads_0/bias.npy"))
    with pytest.raises(InputError, match=r"a.npz holds params/heads_0/bias twice; export it again"):
        read(path)
