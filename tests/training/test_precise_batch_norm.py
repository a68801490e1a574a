import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from trunks import TINY, draw_variables

from r3d_jax.models.classifier import build
from r3d_jax.models.predict import normalise
from r3d_jax.training.devices import replicate
from r3d_jax.training.precise_batch_norm import precise_statistics

pytestmark = pytest.mark.slow

MODEL = build("r3d_18", 5, **TINY)


@pytest.fixture(scope="module")
def batches():
    """Three batches of clips, each brighter than the one before."""
    rng = np.random.default_rng(0)
    return [{"clip": rng.integers(0, 85 * (i + 1), (4, 4, 32, 32, 3), np.uint8)} for i in range(3)]


@pytest.fixture(scope="module")
def variables():
    return draw_variables(MODEL)


def statistics_of(clips, variables):
    """{path: array} of a batch: from nothing, a norm takes up a tenth of what it finds."""
    nothing = variables | {"batch_stats": jax.tree.map(np.zeros_like, variables["batch_stats"])}
    _, updated = MODEL.apply(nothing, normalise(clips, model=MODEL), train=True, mutable=["batch_stats"])
    return {path: 10 * np.float64(x) for path, x in flatten_dict(updated["batch_stats"]).items()}


def precise(variables, batches, devices, **options):
    found = precise_statistics(MODEL, replicate(variables, devices), batches, devices=devices, **options)
    return flatten_dict(jax.device_get(found))


def test_they_are_fvcores_of_the_population(variables, batches, devices):
    """pop_mean = E[mean]; pop_var = E[mean^2 + var] - pop_mean^2."""
    found = precise(variables, batches, devices[:1])
    each = [statistics_of(batch["clip"], variables) for batch in batches]
    for path, value in found.items():
        mean = np.mean([one[*path[:-1], "mean"] for one in each], 0)
        square = np.mean([one[*path[:-1], "mean"] ** 2 + one[*path[:-1], "var"] for one in each], 0)
        expected = mean if path[-1] == "mean" else square - mean**2
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    # Of the first norm, below which nothing is normalised, they are those of all clips in one batch.
    whole = statistics_of(np.concatenate([batch["clip"] for batch in batches]), variables)
    stem = next(path for path in found if "stem" in path[1] and path[-1] == "var")
    np.testing.assert_allclose(found[stem], whole[stem], rtol=1e-3)
    assert not np.allclose(found[stem], np.mean([one[stem] for one in each], 0), rtol=0.01)


def test_two_devices_find_those_of_one(variables, batches, devices):
    one, two = (precise(variables, batches, some) for some in (devices[:1], devices))
    for path, value in two.items():
        np.testing.assert_allclose(value, one[path], rtol=1e-4, atol=1e-4 * np.abs(one[path]).max())
    apart = precise(variables, batches, devices, sync_batch_norm=False)
    stem = next(path for path in apart if "stem" in path[1] and path[-1] == "mean")
    np.testing.assert_allclose(apart[stem], one[stem], rtol=1e-3, atol=1e-5)


def test_frozen_norms_keep_theirs_bit_for_bit(variables, batches, devices):
    before, found = flatten_dict(variables["batch_stats"]), precise(variables, batches, devices, freeze_until="stage1")
    same = {path[1]: np.array_equal(found[path], before[path]) for path in found}
    assert {block: same[block] for block in MODEL.trunk.block_names()} == {
        "stem-path0": True,
        "pathway0-stage1-block0": True,
        "pathway0-stage2-block0": False,
    }
    for path, value in precise(variables, batches[:1], devices, freeze_batch_norm=True).items():
        np.testing.assert_array_equal(value, before[path])
