from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest
from untrained import CLIP, make_network
from videos import encode, frames_of, video_set

from r3d_jax.data.batches import eval_batches, train_batches
from r3d_jax.errors import InputError
from r3d_jax.models.predict import features_fn
from r3d_jax.training import features as module
from r3d_jax.training.features import collect_features


@pytest.fixture(scope="module")
def videos():
    """Seven videos of two frame sizes; one cannot be read."""
    sizes = [(32, 48)] * 4 + [(32, 64)] * 3
    files = [encode(frames_of(5 + 2 * i, *size)) for i, size in enumerate(sizes)]
    made = video_set(files, [0, 0, 1, 1, 2, 2, 2])
    records = [{**record, "video": b"gone"} if i == 5 else record for i, record in enumerate(made.records)]
    return made._replace(records=records)


@pytest.fixture
def collect(devices, tmp_path):
    network = make_network()
    given = {"model": network.model, "devices": devices, "label": "Features", "workers": 0}
    return partial(collect_features, variables=network.variables, folder=tmp_path / "f", facts=[1], **given)


def pooled(clips):
    """What the head's linear layer sees of clips, by the trunk alone."""
    network, block = make_network(), "pathway0-stage2-block0"
    found = jax.jit(partial(features_fn, model=network.model, blocks=(block,)))(network.variables, clips)
    return np.asarray(found[block]).mean((2, 3, 4))


def rows_of(batches, count):
    return [batches[k] for k in range(count)]


@pytest.mark.slow
def test_features_of_test_videos_are_those_that_the_head_would_read(videos, collect):
    network = make_network()
    test = eval_batches(videos, np.arange(7), CLIP, batch_size=2)
    whole = replace(network.model.heads[0], pool=None)
    found = collect(test, model=network.model.clone(heads=(whole,)))
    assert found.rows.tolist() == list(range(7)) and found.labels.tolist() == [0, 0, 1, 1, 2, 2, 2]
    assert [bool(reason) for reason in found.reasons] == [False] * 5 + [True, False]
    expected = np.concatenate([pooled(batch["clips"])[batch["valid"]] for batch in rows_of(test, len(test))])
    np.testing.assert_allclose(found.take(found.reasons == "").features, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_what_is_done_is_not_computed_again_and_its_end_is_the_same(videos, collect, tmp_path, monkeypatch):
    train = train_batches(videos, np.arange(5), CLIP, batch_size=4, seed=1)
    seen = []
    check = lambda batch: seen.append(batch["row"].tolist())  # noqa: E731
    whole = collect(train, total=4, check=check, folder=tmp_path / "whole")
    every = [batch["row"].tolist() for batch in rows_of(train, 4)]
    assert seen == every and whole.rows.tolist() == [row for rows in every for row in rows]
    assert whole.features.shape == (16, 1, 8)

    monkeypatch.setattr(module, "SECONDS", 0)
    seen.clear()
    assert collect(train, total=4, check=check, stop=lambda: len(seen) == 2) is None
    assert seen == every[:2]
    assert len(list((tmp_path / "f").glob("*.npz"))) == 2
    found = collect(train, total=4, check=check)
    assert seen == every
    for name, value in whole._asdict().items():
        if name == "features":
            np.testing.assert_allclose(found.features, value, rtol=1e-5, atol=1e-6)
        else:
            assert (getattr(found, name) == value).all(), name
    monkeypatch.setattr(module, "pmap", None)  # nothing is to be computed
    assert (collect(train, total=4).features == found.features).all()


def test_of_other_facts_all_is_computed_again_and_told(videos, collect, capsys):
    train = train_batches(videos, np.arange(5), CLIP, batch_size=4, seed=1)
    before = collect(train, total=1)
    variables = jax.tree.map(lambda x: x * 1.1, make_network().variables)
    after = collect(train, total=1, variables=variables, facts=[2])
    assert "f: these features are of another network, other videos or settings, and are computed again" in (
        capsys.readouterr().out
    )
    assert not np.allclose(before.features, after.features)


def test_a_damaged_file_is_one_message(videos, collect, tmp_path):
    train = train_batches(videos, np.arange(5), CLIP, batch_size=4)
    collect(train, total=1)
    (path,) = (tmp_path / "f").glob("*.npz")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"\.npz is damaged \(.*\); remove .*f, and these features are computed"):
        collect(train, total=1)
