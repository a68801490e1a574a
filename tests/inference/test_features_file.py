import json
import os
import shutil

import jax
import numpy as np
import pytest

from r3d_jax.errors import InputError
from r3d_jax.files import occupied
from r3d_jax.inference import features_file as module
from r3d_jax.inference.features import video_features
from r3d_jax.inference.features_file import save_features

NAMES = ["v0.avi", "v1.avi", "v2.avi", "v3.avi"]


@pytest.fixture
def paths(folder, tmp_path):
    (tmp_path / "videos").mkdir()
    return [shutil.copy(folder / name, tmp_path / "videos" / name) for name in NAMES]


def contents(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture
def killed(monkeypatch):
    """Makes `save_features` end as a process does that is killed after two videos; what was computed since."""
    computed = []

    def die(network, videos, **options):
        for each in video_features(network, videos, **options, batch_size=1):
            if len(computed) == 2:
                raise KeyboardInterrupt
            computed.append(each.video)
            yield each

    def count(network, videos, **options):
        for each in video_features(network, videos, **options):
            computed.append(each.video)
            yield each

    def call(*arguments, **options):
        monkeypatch.setattr(module, "video_features", die)
        with pytest.raises(KeyboardInterrupt):
            save_features(*arguments, **options)
        monkeypatch.setattr(module, "video_features", count)
        computed.clear()
        return computed

    return call


def test_the_file_has_what_the_function_gives_and_says_of_what(network, folder, paths, tmp_path):
    lines, out = [], tmp_path / "new" / "a.npz"
    failed = save_features(network, [folder / "broken.avi", *paths], out, source="runs/x", tell=lines.append)
    assert list(failed) == [str(folder / "broken.avi")] and lines == [f"{k}: {v}" for k, v in failed.items()]
    found = contents(out)
    expected = np.stack([each.features for each in video_features(network, paths)])
    np.testing.assert_allclose(found["features"], expected, rtol=1e-5, atol=1e-7)
    assert found["video"].tolist() == list(map(str, paths)) and found["frames"].tolist() == [9, 12, 7, 15]
    facts = json.loads(str(found["facts"]))
    assert facts["source"] == "runs/x" and facts["block"] == "pathway0-stage2-block0" and facts["failed"] == failed
    assert facts["clip"]["views"] == 3 and len(facts["weights_crc32"]) == 8
    assert [path.name for path in out.parent.iterdir()] == ["a.npz"]


def test_a_killed_call_is_gone_on_from_and_ends_with_the_same_file(network, paths, tmp_path, killed):
    out, lines = tmp_path / "a.npz", []
    computed = killed(network, paths, out, each_view=True)
    with (tmp_path / "a.npz.part" / "videos.jsonl").open("ab") as file:
        file.write(b'{"video": "cut sh')  # as a kill within a line leaves it
    assert not out.exists()
    assert save_features(network, paths[::-1], out, each_view=True, tell=lines.append) == {}
    assert computed == list(map(str, paths[:1:-1]))
    assert lines == [f"2 of 4 videos are done already, in {out}.part"] and not (tmp_path / "a.npz.part").exists()
    save_features(network, paths[::-1], tmp_path / "b.npz", each_view=True)
    for name, value in contents(tmp_path / "b.npz").items():
        if name == "features":
            np.testing.assert_allclose(contents(out)[name], value, rtol=1e-5, atol=1e-7)
        else:
            assert (contents(out)[name] == value).all(), name


def test_a_video_that_has_changed_since_is_computed_again(network, paths, tmp_path, killed):
    computed = killed(network, paths, tmp_path / "a.npz")
    shutil.copy(paths[3], paths[0])
    os.utime(paths[0], (1, 1))
    save_features(network, paths, tmp_path / "a.npz")
    assert computed == [str(paths[0]), *map(str, paths[2:])]
    found = contents(tmp_path / "a.npz")
    assert found["frames"].tolist() == [15, 12, 7, 15]
    np.testing.assert_allclose(found["features"][0], found["features"][3], rtol=1e-5, atol=1e-7)


def test_what_was_done_of_something_else_is_refused_and_kept(network, paths, tmp_path, killed):
    out, part = tmp_path / "a.npz", tmp_path / "a.npz.part"
    killed(network, paths, out)
    before = {path: path.read_bytes() for path in part.iterdir()}
    other = network._replace(variables=jax.tree.map(lambda x: x + 1, network.variables))
    with pytest.raises(InputError, match=r"part holds features of another network or .*: weights_crc32 is '\w{8}' the"):
        save_features(other, paths, out)
    with pytest.raises(InputError, match=r"other settings: clip\.views is 3 there and 2 here \(1 differences\); take"):
        save_features(network, paths, out, views=2)
    with occupied(part), pytest.raises(InputError, match=r"a\.npz\.part is in use by process \d+"):
        save_features(network, paths, out)
    assert {path: path.read_bytes() for path in part.iterdir()} == before


def test_a_folder_of_the_users_is_left_alone(network, paths, tmp_path):
    (tmp_path / "a.npz.part").mkdir()
    (tmp_path / "a.npz.part" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"a\.npz\.part is not what an earlier call has done \(.*\); move it away"):
        save_features(network, paths, tmp_path / "a.npz")
    assert [path.name for path in (tmp_path / "a.npz.part").iterdir()] == ["mine.txt"]


def test_what_cannot_work_is_refused_before_anything_is_written(network, paths, tmp_path):
    (tmp_path / "there.npz").write_text("mine")
    for name, options, said in (
        ("there.npz", {}, "there.npz is there already; name another file, or move it away"),
        ("a.txt", {}, r"a\.txt must be called"),
        ("a.npz", {"block": "x"}, "no `block` 'x' in this network"),
    ):
        with pytest.raises(InputError, match=said):
            save_features(network, paths, tmp_path / name, **options)
    with pytest.raises(InputError, match=r"^none of 1 videos can be read, so there are no features to write"):
        save_features(network, [tmp_path / "gone.avi"], tmp_path / "a.npz", tell=lambda line: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there.npz", "videos"]
