"""Networks of others and of our own runs become files that are used like a run."""

import json
from functools import partial

import jax
import numpy as np
import pytest
from closeness import close
from namings import thin
from safetensors.numpy import load_file, save_file
from seeded import GOLDEN, case_of, drawn, tensors
from torchlike import write_pth
from trunks import TINY

import r3d_jax
from r3d_jax.config import Config
from r3d_jax.errors import InputError
from r3d_jax.models.classifier import build
from r3d_jax.models.head import ACTIVATIONS
from r3d_jax.models.presets import PRESETS
from r3d_jax.training.optim import sgd
from r3d_jax.training.state import first_state
from r3d_jax.video.clips import ClipSpec
from r3d_jax.weights.checkpoint import Checkpoints
from r3d_jax.weights.convert import convert
from r3d_jax.weights.labels import labels
from r3d_jax.weights.run import CHECKPOINTS, claim
from r3d_jax.weights.torch_names import to_torch

CHECKPOINT = GOLDEN / "classyvision_checkpoint.torch"  # written by ClassyVision 0.7.0's own code
CLIP = ClipSpec(frames=4, stride=2, crop=16, train_sizes=(16, 18), test_size=20, flip=0.25)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "converted" / "out.safetensors"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's folder as training leaves it."""
    run, model, names = tmp_path_factory.mktemp("run"), build("r3d_18", 3, **TINY), ("ride", "run", "sit down")
    claim(run, Config(clip=CLIP), names, model)
    with Checkpoints(run / CHECKPOINTS) as checkpoints:
        checkpoints.save(first_state(drawn(model), sgd(0.1))._replace(step=np.int32(7)))
    return run


@pytest.mark.slow
def test_a_classyvision_checkpoint_gives_the_references_answers(out):
    lines = convert(CHECKPOINT, out)
    assert lines[0] == f"{CHECKPOINT}: classyvision's names, network as its configuration says"
    loaded = r3d_jax.load(out)
    assert (loaded.clip.shape, loaded.clip.stride, loaded.class_names) == ((4, 32, 32, 3), 1, ("0", "1", "2"))
    with np.load(GOLDEN / "classyvision_checkpoint.npz") as arrays:
        found = jax.jit(loaded.model.apply)(loaded.variables, arrays["clips"])
        for head, logits in zip(loaded.model.heads, found):
            close(ACTIVATIONS[head.activation](logits), arrays[head.unique_id])


@pytest.mark.slow
def test_pytorchvideos_weights_bring_its_pixels(out, tmp_path):
    options, source = case_of("ptv_x3d_s"), tmp_path / "x3d_s.safetensors"
    save_file(tensors(options), source)
    lines = convert(source, out, frames=13, crop=160, stride=6)
    assert lines[0] == f"{source}: pytorchvideo's names, network x3d_xs or x3d_s or x3d_m, which alone fits them"
    loaded = r3d_jax.load(out)
    assert loaded.model == build("x3d_s", 400, average="probabilities", mean=(0.45,) * 3, std=(0.225,) * 3)
    assert (loaded.clip.shape, loaded.clip.stride, loaded.clip.test_size) == ((13, 160, 160, 3), 6, 256)
    assert set(load_file(out)) == set(options["shapes"])


@pytest.mark.slow
def test_torchvisions_weights_bring_kinetics_classes_and_pixels(out, tmp_path):
    options, source = case_of("torchvision_mc3_18"), tmp_path / "mc3_18.safetensors"
    save_file(tensors(options), source)
    lines = convert(source, out)
    assert lines[0] == f"{source}: torchvision's names, network mc3_18, which alone fits them"
    assert lines[1] == "11,695,440 parameters; 400 classes (abseiling ... zumba)"
    loaded = r3d_jax.load(out)
    assert loaded.class_names == labels("kinetics400")
    assert loaded.model.mean == (0.43216, 0.394666, 0.37645) and loaded.model.std == (0.22803, 0.22145, 0.216989)
    assert (loaded.clip.shape, loaded.clip.stride, loaded.clip.test_size) == ((16, 112, 112, 3), 2, 128)
    back = load_file(out)
    assert set(back) == set(options["shapes"])
    for name, value in tensors(options).items():
        np.testing.assert_array_equal(back[name], value)


def test_what_the_user_says_of_the_input_is_carried(out, tmp_path):
    classes = tmp_path / "classes.txt"
    classes.write_text("run\njump\nsit down\n")
    numbers = {"frames": 8, "crop": 40, "stride": 3, "test_size": 48}
    convert(CHECKPOINT, out, classes=classes, mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0), **numbers)
    loaded = r3d_jax.load(out)
    assert loaded.class_names == ("run", "jump", "sit down")
    assert (loaded.clip.shape, loaded.clip.stride, loaded.clip.test_size) == ((8, 40, 40, 3), 3, 48)
    assert (loaded.model.mean, loaded.model.std) == ((0.1, 0.2, 0.3), (1.0, 2.0, 3.0))


def test_a_bare_state_dict_takes_its_network_from_a_configuration(out, tmp_path):
    options = case_of("classy_tiny_postact_bottleneck")
    source, config = tmp_path / "bare.safetensors", tmp_path / "model.json"
    # As a network saves itself that was wrapped for several devices.
    save_file({f"module.{name}": value for name, value in tensors(options).items()}, source)
    heads = [head | {"fork_block": block} for block, head in options["heads"]]
    config.write_text(json.dumps({"model": options["model"] | {"heads": heads}}))
    convert(source, out, model=str(config))
    assert r3d_jax.load(out).model.trunk.groups == 2


@pytest.mark.slow
def test_a_run_is_converted_and_answers_as_before(run, out, rng):
    lines = convert(run, out, mean=(0.5, 0.5, 0.5))
    assert lines[0] == f"{run}: a run, its last checkpoint"
    assert lines[1] == "5,351 parameters; 3 classes (ride ... sit down)"
    assert lines[2].startswith("clips 4x16x16, frame stride 2, tested at short edge 20; mean (0.5, 0.5, 0.5), std (0.2")
    assert lines[3].startswith(f"{out}: 0.0 MiB, tensors under classyvision's names")
    before, after = r3d_jax.load(run), r3d_jax.load(out)
    assert before.model.clone(mean=(0.5, 0.5, 0.5)) == after.model
    assert (after.class_names, after.clip) == (before.class_names, before.clip)
    clips = rng.integers(0, 256, (1, 2, 4, 16, 16, 3), np.uint8)
    predict = jax.jit(partial(r3d_jax.predict_fn, model=after.model))
    np.testing.assert_array_equal(predict(after.variables, clips), predict(before.variables, clips))


def test_a_converted_network_can_be_converted_again_under_other_names(run, out, tmp_path):
    convert(run, out)
    assert "trunk.stem.stem.stem-path0.conv.weight" in load_file(out)
    again = tmp_path / "again.safetensors"
    convert(out, again, names="torchvision")
    found, loaded = load_file(again), r3d_jax.load(again)
    assert {"stem.0.weight", "layer2.0.conv2.1.num_batches_tracked", "fc.bias"} < set(found)
    expected = to_torch(loaded.variables, loaded.model, "torchvision")
    assert found.keys() == expected.keys()
    assert loaded.class_names == r3d_jax.load(out).class_names


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, naming, mean, std",
    [
        ("slow_r50", "pytorchvideo", 0.45, 0.225),
        ("slow_r50", "pyslowfast", 0.45, 0.225),
        ("slow_r50", "mmaction2", 0.485, 0.229),
        ("kenshohara_r3d_18", "kenshohara", 0.4345, 0.2768),
        ("vmz_r2plus1d_152", "torchvision", 0.43216, 0.22803),
    ],
)
def test_other_projects_files_bring_their_pixels_and_keep_their_names(name, naming, mean, std, out, monkeypatch):
    model, source = thin(name), out.with_name("source.safetensors")
    monkeypatch.setitem(PRESETS, "thin", model.trunk)
    given = to_torch(drawn(model), model, naming)
    source.parent.mkdir()
    save_file(given, source)
    lines = convert(source, out, names="" if naming != "torchvision" else naming)
    assert lines[0] == f"{source}: {naming}'s names, network thin, which alone fits them"
    loaded = r3d_jax.load(out)
    assert loaded.model.trunk == model.trunk and (loaded.model.mean[0], loaded.model.std[0]) == (mean, std)
    for key, value in load_file(out).items():
        np.testing.assert_array_equal(value, given.pop(key))
    assert not given


@pytest.mark.slow
def test_older_files_of_3d_resnets_have_other_pixels(out, monkeypatch):
    """What batch norm did not count yet tells them; the mean is of 255."""
    model, source = thin("kenshohara_r3d_18"), out.with_name("source.safetensors")
    monkeypatch.setitem(PRESETS, "thin", model.trunk)
    source.parent.mkdir()
    weights = to_torch(drawn(model), model, "kenshohara")
    save_file({f"module.{key}": value for key, value in weights.items() if "num_batches" not in key}, source)
    convert(source, out)
    found = r3d_jax.load(out).model
    np.testing.assert_allclose(np.multiply(255, (*found.mean, *found.std)), (114.77, 107.74, 99.48, 1, 1, 1))


def test_a_users_own_file_beside_it_is_kept(run, out):
    beside = out.with_name("out.safetensors.tmp")
    beside.parent.mkdir()
    beside.write_text("mine")
    convert(run, out)
    assert beside.read_text() == "mine" and set(out.parent.iterdir()) == {out, beside}


def bare(tmp_path):
    """torchvision's names on a network that is none of ours."""
    path = tmp_path / "bare.safetensors"
    shapes = {"stem.0.weight": (4, 3, 3, 7, 7), "layer1.0.conv1.0.weight": (2,), "fc.weight": (3, 4)}
    save_file({name: np.zeros(shape, np.float32) for name, shape in shapes.items()}, path)
    return path


def empty_run(tmp_path):
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


def text(tmp_path):
    (tmp_path / "notes.safetensors").write_text("not tensors")
    return tmp_path / "notes.safetensors"


def broken_classes(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("run\nride\u2028slowly\nsit\n", encoding="utf-8")
    return path


def short_classes(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("one\ntwo\n")
    return path


@pytest.mark.parametrize(
    "source, options, message",
    [
        (lambda tmp_path: tmp_path / "none.pth", {}, "no file and no run at .*none.pth"),
        (bare, {}, r"these weights fit none of ours; name the network .`model`: a preset or a ClassyVision .json"),
        (bare, {"model": "r3d_19"}, "no network 'r3d_19'; there are r3d_18"),
        (bare, {"model": "r3d_18"}, r"not of this network:\n(.*\n)*  missing: stem.1.weight \[64\]\n"),
        (bare, {"model": "none.json"}, "none.json is no ClassyVision configuration that can be read"),
        (empty_run, {}, "no run in .*: it has no config.json and no classes.txt and no network.json"),
        (text, {}, "notes.safetensors is no safetensors file that can be read"),
        (lambda _: GOLDEN / "tensors.pth", {}, "neither a video network .* nor an image ResNet"),
        (
            lambda _: CHECKPOINT,
            {"mean": (0.5,)},
            "`mean` .=.0.5,.. and `std` .* one value for each of 3 channels",
        ),
        (lambda _: CHECKPOINT, {"frames": -8, "stride": -1}, "`frames` .=-8., `stride` .=-1. must be at least 1"),
        (lambda _: CHECKPOINT, {"names": "torchvision"}, "torchvision has no names for a pre-activated network"),
        (lambda _: CHECKPOINT, {"classes": broken_classes}, r"class name 'ride\\u2028slowly' of .* must be one line"),
        (lambda _: CHECKPOINT, {"classes": short_classes}, "names 2 classes, but the head has 3"),
    ],
)
def test_what_cannot_be_converted_is_told_why(source, options, message, out, tmp_path):
    options = {name: value(tmp_path) if callable(value) else value for name, value in options.items()}
    with pytest.raises(ValueError, match=message):
        convert(source(tmp_path), out, **options)
    assert not out.exists()


def test_nothing_is_overwritten_and_the_name_must_say_what_it_is(out, tmp_path):
    with pytest.raises(ValueError, match=r"out.pth must be called \*.safetensors"):
        convert(CHECKPOINT, tmp_path / "out.pth")
    convert(CHECKPOINT, out)
    before = out.read_bytes()
    with pytest.raises(ValueError, match="is there already; name another file"):
        convert(CHECKPOINT, out)
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    "value, message",
    [
        (np.full(3, np.nan, np.float32), r"weights.pth: the tensor \S+ has 3 values that are not finite, such as nan"),
        (np.ones(3, np.int64), r"weights.pth: the tensor \S+ is of type int64, and weights are floating-point numbers"),
    ],
)
def test_weights_that_nothing_can_be_computed_with_are_not_converted(value, message, out, tmp_path, monkeypatch):
    model, source = build("r3d_18", 3, **TINY), tmp_path / "weights.pth"
    monkeypatch.setitem(PRESETS, "tiny", model.trunk)
    given = to_torch(drawn(model), model, "classyvision")
    name = next(name for name, tensor in given.items() if tensor.shape == (3,))
    write_pth(source, given)
    convert(source, out)
    out.unlink()
    write_pth(source, given | {name: value})
    with pytest.raises(InputError, match=message):
        convert(source, out)
    assert not out.exists()
