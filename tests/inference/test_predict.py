import numpy as np

from r3d_jax.cli.inputs import named_videos
from r3d_jax.inference.forward import make_forward, probabilities
from r3d_jax.inference.predict import clips_of_video, predict
from r3d_jax.video.views import open_video_file


def alone(network, path):
    clips = clips_of_video(open_video_file(path), network)
    return probabilities(make_forward(network)(clips[None]), network)[0]


def test_predictions_come_in_order_and_are_those_of_each_video_alone(network, folder):
    found = list(predict(network, named_videos([str(folder), f"{folder}/gone.avi"]), batch=2))
    names = [each.video.rpartition("/")[2] for each in found]
    assert names == ["broken.avi", "v0.avi", "v1.avi", "v2.avi", "v3.avi", "v4.avi", "gone.avi"]
    assert found[0].probabilities is None and "not a video" in found[0].reason
    assert found[-1].reason == "no such file"
    for each in found[1:-1]:
        np.testing.assert_allclose(each.probabilities, alone(network, folder / each.video), rtol=1e-4, atol=1e-6)
    assert [each.where["frames"] for each in found[1:-1]] == [9, 12, 7, 15, 3]


def test_videos_of_many_sizes_do_not_pile_up(network, folder):
    found = list(predict(network, named_videos([f"{folder}/v*.avi"]), batch=1, views=1))
    assert [each.video[-6:] for each in found] == [f"v{i}.avi" for i in range(5)]


def test_the_clips_are_those_of_testing(network, folder):
    video = open_video_file(folder / "v1.avi")
    assert clips_of_video(video, network).shape == (3, 4, 16, 24, 3)
    assert clips_of_video(video, network, views=5).shape == (5, 4, 16, 24, 3)
    assert clips_of_video(video, network._replace(crops=3)).shape == (9, 4, 16, 16, 3)
    half = clips_of_video(video, network._replace(frame_rate=12.5))
    assert (half[0, 1] == clips_of_video(video, network._replace(stride=2))[0, 1]).all()


def test_an_empty_file_says_so(network, tmp_path):
    (tmp_path / "nothing.avi").touch()
    (found,) = predict(network, named_videos([str(tmp_path / "nothing.avi")]))
    assert found.reason == "empty"
