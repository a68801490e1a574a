from dataclasses import replace

import numpy as np
import pytest
from videos import encode, frames_of

from r3d_jax.errors import InputError
from r3d_jax.inference import predict as module
from r3d_jax.inference.forward import make_forward, probabilities
from r3d_jax.inference.predict import best, predict
from r3d_jax.video.views import read_clips


@pytest.mark.slow
def test_predictions_come_in_order_and_are_those_of_each_video_alone(network, folder):
    names = ["broken.avi", "v0.avi", "v1.avi", "v2.avi", "v3.avi", "v4.avi", "gone.avi"]
    found = list(predict(network, [folder / name for name in names], batch_size=2))
    assert [each.video for each in found] == [str(folder / name) for name in names]
    assert found[0].probabilities is None and "not a video" in found[0].reason
    assert found[-1].probabilities is None and found[-1].reason == "No such file or directory"
    forward = make_forward(network)
    for each in found[1:-1]:
        alone = probabilities(forward(read_clips(each.video, network.clip)[None]), network)[0]
        np.testing.assert_allclose(each.probabilities, alone, rtol=1e-4, atol=1e-6)
        assert each.reason == ""
    assert [each.where["frames"] for each in found] == [0, 9, 12, 7, 15, 3, 0]


def test_of_many_sizes_those_that_wait_longest_are_run_before_their_batch_is_full(network, tmp_path, monkeypatch):
    """The first and the last video are of one size: were the first kept until then, they would run together."""
    widths = [32, *range(40, 40 + 16 * 8, 16), 32]
    paths = [tmp_path / f"v{i}.avi" for i in range(len(widths))]
    for path, width in zip(paths, widths):
        path.write_bytes(encode(frames_of(4, 32, width)))
    ran = []

    def forward(clips):
        ran.append(clips.shape)
        return np.stack([clips[..., i].mean((2, 3, 4)) for i in range(3)], -1, dtype=np.float32)

    monkeypatch.setattr(module, "make_forward", lambda _, dtype: forward)
    found = list(predict(network, paths, batch_size=2, views=1, workers=1))
    assert [each.video for each in found] == list(map(str, paths))
    # Eight wait, two batches' worth of two clips each; the ninth makes the first of them run.
    assert ran[0] == (1, 1, 4, 16, 16, 3) and ran[-1][-2] == 16 and all(shape[0] == 1 for shape in ran)
    for path, each in zip(paths, found):
        clips = read_clips(path, replace(network.clip, views=1))
        np.testing.assert_allclose(each.probabilities, probabilities(forward(clips[None]), network)[0], rtol=1e-5)


def test_the_clips_are_those_of_testing(network, folder):
    clip, path = network.clip, folder / "v1.avi"
    assert read_clips(path, clip).shape == (3, 4, 16, 24, 3) and read_clips(str(path), clip).dtype == np.uint8
    assert read_clips(path, replace(clip, views=5)).shape == (5, 4, 16, 24, 3)
    assert read_clips(path, replace(clip, crops=3)).shape == (9, 4, 16, 16, 3)
    half = read_clips(path, replace(clip, frame_rate=12.5))
    assert (half[0, 1] == read_clips(path, replace(clip, stride=2))[0, 1]).all()
    with pytest.raises(ValueError, match="not a video"):
        read_clips(folder / "broken.avi", clip)


def test_as_many_clips_are_seen_as_asked_for(network, folder, monkeypatch):
    seen = []

    def forward(clips):
        seen.append(clips.shape)
        return np.zeros((*clips.shape[:2], 3), np.float32)

    monkeypatch.setattr(module, "make_forward", lambda _, dtype: forward)
    crops = network._replace(clip=replace(network.clip, crops=3))
    for changed, views in ((network, 0), (network, 5), (crops, 0)):
        list(predict(changed, [folder / "v1.avi"], views=views))
    assert seen == [(1, 3, 4, 16, 24, 3), (1, 5, 4, 16, 24, 3), (1, 9, 4, 16, 16, 3)]


def test_an_empty_file_says_so(network, tmp_path):
    (tmp_path / "nothing.avi").touch()
    (found,) = predict(network, [str(tmp_path / "nothing.avi")])
    assert found.reason == "empty"


def test_a_quoted_tilde_is_the_home(network, folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    (found,) = predict(network, ["~/broken.avi"])
    assert found.video == "~/broken.avi" and "not a video" in found.reason


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"views": -1}, {"workers": -1}])
def test_numbers_that_make_no_sense_are_refused_before_anything_is_read(network, options):
    ((name, value),) = options.items()
    with pytest.raises(InputError, match=rf"`{name}` \(={value}\)"):
        predict(network, [], **options)


def test_the_likeliest_classes_come_first_and_the_lower_of_equals():
    found = best(np.array([0.25, 0.5, 0.25], np.float32), ("ride", "run", "swim"), 2)
    assert found == [("run", 0.5), ("ride", 0.25)]
