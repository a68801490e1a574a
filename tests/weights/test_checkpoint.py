import json
import random
import resource
import shutil
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from r3d_jax.errors import InputError
from r3d_jax.training.devices import replicate
from r3d_jax.training.optim import sgd
from r3d_jax.training.state import TrainState
from r3d_jax.weights.checkpoint import Checkpoints, restore_variables

TX = sgd(lambda _: 0.1, momentum=0.9, nesterov=True, weight_decay=1e-4, decay_batch_norm=False)


def state(step, features=4):
    draw = jax.random.normal(jax.random.key(step), (3, features))
    params = {"heads_0": {"kernel": draw, "bias": draw[0]}, "trunk": {"bn1": {"scale": draw[1], "bias": draw[2]}}}
    opt_state = jax.tree.map(lambda x: x + step, TX.init(params))
    return TrainState(jnp.array(step, jnp.int32), params, {"bn1": {"mean": draw[0]}}, opt_state)


def same(first, second):
    assert jax.tree.structure(first) == jax.tree.structure(second)
    return all(jax.tree.leaves(jax.tree.map(np.array_equal, jax.device_get(first), jax.device_get(second))))


def save(folder, *steps, kind="last"):
    for step in steps:
        with Checkpoints(folder) as checkpoints:
            checkpoints.save(state(step), kind)


def cut(folder, step):
    """Halves every file of the arrays, as a full disk would."""
    files = [path for path in (folder / "last" / str(step)).rglob("d/*") if path.is_file()]
    assert files
    for path in files:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_what_was_saved_comes_back_bit_for_bit_on_every_device(tmp_path, devices):
    save(tmp_path, 5)
    with Checkpoints(tmp_path) as checkpoints:
        restored = checkpoints.restore(replicate(state(0), devices))
    assert same(restored, state(5))
    assert all(leaf.sharding.device_set == set(devices) for leaf in jax.tree.leaves(restored))


def test_the_last_two_and_the_best_are_kept(tmp_path):
    save(tmp_path, 1, 2, 3, 4)
    save(tmp_path, 1, 3, kind="best")
    kept = {kind: sorted(path.name for path in (tmp_path / kind).iterdir()) for kind in ("last", "best")}
    assert kept == {"last": ["3", "4"], "best": ["3"]}
    for kind, step in (("last", 4), ("best", 3)):
        assert same(restore_variables(tmp_path, state(0).variables, kind), state(step).variables)


def test_saving_a_step_again_does_nothing(tmp_path):
    save(tmp_path, 7, 7)
    assert [path.name for path in (tmp_path / "last").iterdir()] == ["7"]


def test_notes_are_kept_beside_a_state_as_they_were(tmp_path):
    notes = {"steps": 3, "loss": 0.1 + 0.2}
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(state(1), notes=notes)
        notes["loss"] = 0  # after it was saved, which goes on in the background
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.notes(1) == {"steps": 3, "loss": 0.1 + 0.2}
    shutil.rmtree(tmp_path / "last" / "1" / "facts")  # of a version that kept none
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.notes(1) == {}


def waiting():
    """Threads that hold up the end of the process; those of Orbax's metadata wait for work, and end with it."""
    others = [thread for thread in threading.enumerate() if not thread.name.startswith("metadata_store")]
    return [thread for thread in others if not thread.daemon and thread is not threading.main_thread()]


def test_a_folder_that_cannot_be_made_is_an_error_at_once_which_no_thread_survives(tmp_path):
    before = waiting()
    with pytest.raises(OSError, match=r"Not a directory|File exists"), Checkpoints(tmp_path) as checkpoints:
        (tmp_path / "last").rmdir()
        (tmp_path / "last").touch()
        checkpoints.save(state(1))
    assert waiting() == before


@pytest.mark.slow
def test_a_full_disk_is_raised_and_nothing_more_is_printed_and_what_was_saved_is_kept(tmp_path, capfd):
    save(tmp_path, 1)
    before = waiting()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(Exception, match="File too large"), Checkpoints(tmp_path) as checkpoints:
            checkpoints.save(state(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert capfd.readouterr() == ("", "") and waiting() == before
    with Checkpoints(tmp_path) as checkpoints:
        assert same(checkpoints.restore(state(0)), state(1))
        checkpoints.save(state(2))
    assert same(restore_variables(tmp_path, state(0).variables), state(2).variables)


def test_nothing_saved_is_none(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.restore(state(0)) is None
    assert restore_variables(tmp_path / "none", state(0).variables) is None


@pytest.mark.slow
def test_a_checkpoint_that_was_cut_short_gives_way_to_the_one_before(tmp_path, capsys):
    save(tmp_path, 3, 6)
    cut(tmp_path, 6)
    with Checkpoints(tmp_path) as checkpoints:
        assert same(checkpoints.restore(state(0)), state(3))
    captured = capsys.readouterr()
    assert "last/6 is damaged" in captured.out and "falling back to the one of step 3" in captured.out
    assert [path.name.split("-")[0] for path in (tmp_path / "damaged").iterdir()] == ["6"]
    save(tmp_path, 6)
    assert same(restore_variables(tmp_path, state(0).variables), state(6).variables)


@pytest.mark.slow
def test_with_no_sound_checkpoint_left_training_does_not_start_over_unasked(tmp_path):
    save(tmp_path, 3, 6)
    cut(tmp_path, 3)
    cut(tmp_path, 6)
    with (
        Checkpoints(tmp_path) as checkpoints,
        pytest.raises(InputError, match=r"no checkpoint in .* can be read"),
    ):
        checkpoints.restore(state(0))


@pytest.mark.slow
def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    save(tmp_path, 3)
    with Checkpoints(tmp_path) as checkpoints:
        with pytest.raises(
            InputError, match=r"last/3 is of another network: .*float32\[4\] there and float32\[5\] here"
        ):
            checkpoints.restore(state(0, features=5))
        half = jax.tree.map(lambda x: x.astype(jnp.bfloat16) if x.dtype == jnp.float32 else x, state(0))
        with pytest.raises(InputError, match=r"another network: .*float32\[4\] there and bfloat16\[4\] here"):
            checkpoints.restore(half)


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place // 8] ^= 1 << place % 8
    path.write_bytes(content)


@pytest.mark.slow
def test_no_flipped_bit_of_the_arrays_passes(tmp_path, capsys):
    for step in (3, 6):
        with Checkpoints(tmp_path) as checkpoints:
            checkpoints.save(state(step, features=5000))
    files = [path for path in (tmp_path / "last" / "6" / "variables").rglob("d/*") if path.is_file()]
    sizes, chance, noticed = [path.stat().st_size for path in files], random.Random(0), 0
    assert sum(sizes) > 100_000
    for _ in range(5):
        (file,) = chance.choices(files, sizes)
        place = chance.randrange(8 * file.stat().st_size)
        flip(file, place)
        found = restore_variables(tmp_path, state(0, 5000).variables)
        said = capsys.readouterr().out
        if said:
            noticed += "last/6 is damaged (" in said and "falling back to the one of step 3" in said
        # There are bits between the arrays that mean nothing.
        assert same(found, state(3 if said else 6, 5000).variables), place
        flip(file, place)
    assert noticed >= 3
    assert same(restore_variables(tmp_path, state(0, 5000).variables), state(6, 5000).variables)


@pytest.mark.slow
@pytest.mark.parametrize("item", ["variables", "rest"])
def test_other_numbers_than_were_saved_give_way_to_the_checkpoint_before(item, tmp_path, capsys):
    save(tmp_path / "sound", 3, 6)
    save(tmp_path / "other", 7)
    with Checkpoints(tmp_path / "mixed") as checkpoints:
        checkpoints.save(state(3))
        checkpoints.save(state(7)._replace(step=jnp.array(6, jnp.int32)))
    there, last = tmp_path / "sound" / "last" / "6" / item, tmp_path / "mixed" / "last" / "6" / item
    last.rename(tmp_path / "away")
    there.rename(last)
    with Checkpoints(tmp_path / "mixed") as checkpoints:
        assert same(checkpoints.restore(state(0)), state(3))
    said = capsys.readouterr().out
    assert f"last/6 is damaged (the CRC-32 of its {item} is" in said and "falling back to the one of step 3" in said
    assert [path.name.split("-")[0] for path in (tmp_path / "mixed" / "damaged").iterdir()] == ["6"]


def test_a_checkpoint_of_an_earlier_version_has_no_checksum_and_is_read(tmp_path):
    save(tmp_path, 6)
    facts = tmp_path / "last" / "6" / "facts"
    assert json.loads((facts / "metadata").read_text()).keys() == {"description", "notes", "crc32"}
    facts.rename(tmp_path / "away")
    with Checkpoints(tmp_path, {"config.json: clip.frames": 4}) as checkpoints:
        assert same(checkpoints.restore(state(0)), state(6))


@pytest.mark.slow
def test_a_checkpoint_that_was_saved_with_another_description_is_refused(tmp_path):
    told = {"config.json: clip.frames": 4, "config.json: clip.train_sizes": (16, 18)}
    with Checkpoints(tmp_path, told) as checkpoints:
        checkpoints.save(state(6))
    more = told | {"config.json: of.later": 1}  # which a later version asks for
    for description in (told, more, None):
        assert same(restore_variables(tmp_path, state(0).variables, "last", description), state(6).variables)
    remedy = r"when the checkpoint .*last/6 was saved \(1 differences\); put that file back as it was, and give other"
    for description, there in (
        (told | {"config.json: clip.frames": 8}, "8"),
        (dict(list(told.items())[1:]), "'missing'"),
    ):
        with pytest.raises(InputError, match=f"config.json: clip.frames is {there}, but was 4 {remedy}"):
            restore_variables(tmp_path, state(0).variables, "last", description)
        with Checkpoints(tmp_path, description) as checkpoints, pytest.raises(InputError, match=remedy):
            checkpoints.restore(state(0))
    assert not (tmp_path / "damaged").exists()


def test_a_checkpoint_that_is_a_link_is_read_and_never_removed(tmp_path):
    save(tmp_path / "run", 3, 6)
    (tmp_path / "run" / "last" / "3").rename(tmp_path / "elsewhere")
    (tmp_path / "run" / "last" / "3").symlink_to(tmp_path / "elsewhere")
    assert same(restore_variables(tmp_path / "run", state(0).variables), state(6).variables)
    with pytest.raises(InputError, match=r"last/3 is a link, and checkpoints are removed in their turn.*; put what it"):
        Checkpoints(tmp_path / "run")
    assert (tmp_path / "elsewhere" / "variables").is_dir()
    (tmp_path / "link").symlink_to(tmp_path / "run")  # the folder itself may be one
    (tmp_path / "run" / "last" / "3").unlink()
    save(tmp_path / "link", 7)
    assert same(restore_variables(tmp_path / "run", state(0).variables), state(7).variables)
