import jax
import numpy as np
import pytest

import r3d_jax
from r3d_jax.errors import InputError
from r3d_jax.inference.features import video_features
from r3d_jax.models.predict import features_fn
from r3d_jax.video.views import read_clips

NAMES = ["v0.avi", "broken.avi", "v1.avi", "v2.avi", "v3.avi"]


def blocks_of(network, path, block):
    """The block's whole output for each view of a video."""
    clips = read_clips(path, network.clip)[None]
    return np.asarray(features_fn(network.variables, clips, model=network.model, blocks=(block,))[block])[0]


@pytest.mark.slow
@pytest.mark.parametrize("block", ["", "stem-path0"])
def test_features_are_the_blocks_output_averaged_over_time_and_space_and_views(network, folder, block):
    found = list(video_features(network, [folder / name for name in NAMES], block=block, batch_size=2))
    views = list(video_features(network, [folder / name for name in NAMES], block=block, each_view=True))
    assert [each.video for each in found] == [str(folder / name) for name in NAMES]
    for each, its in zip(found, views):
        if each.video.endswith("broken.avi"):
            assert each.features is None and "not a video" in each.reason
            continue
        expected = blocks_of(network, each.video, block or "pathway0-stage2-block0").mean((1, 2, 3))
        assert its.features.shape == (3, 4 if block else 8) and its.features.dtype == np.float32
        np.testing.assert_allclose(its.features, expected, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(each.features, expected.mean(0), rtol=1e-4, atol=1e-6)
        assert len(its.seconds) == 3 and its.seconds[0] == 0


def test_they_can_be_of_other_numbers_of_views(network, folder):
    (found,) = r3d_jax.video_features(network, [folder / "v1.avi"], views=2, each_view=True)
    assert found.features.shape == (2, 8) and found.frames == 12 and isinstance(found, r3d_jax.VideoFeatures)


def test_what_cannot_work_is_refused_before_a_video_is_read(network):
    with pytest.raises(
        InputError, match=r"^no `block` 'layer4' in this network; its blocks: stem-path0, pathway0-stag"
    ):
        video_features(network, ["gone.avi"], block="layer4")
    with pytest.raises(InputError, match=r"`batch_size` \(=0\) must be at least 1; `views` \(=-1\) must"):
        video_features(network, ["gone.avi"], batch_size=0, views=-1)


def test_features_that_are_no_numbers_are_refused(network, folder):
    params = jax.tree.map(lambda x: np.full_like(x, 1e30), network.variables["params"])
    variables = {**network.variables, "params": params}
    with pytest.raises(InputError, match="the features are not numbers: the network's weights are finite, but so"):
        list(video_features(network._replace(variables=variables), [folder / "v0.avi"]))
