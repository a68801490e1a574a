import csv

import numpy as np
import pytest
from untrained import CLIP, make_network
from videos import encode, frames_of, video_set

from r3d_jax.data.batches import eval_batches
from r3d_jax.data.reading import open_video
from r3d_jax.errors import InputError
from r3d_jax.inference.forward import make_forward, probabilities
from r3d_jax.report.collect import Tested as Found
from r3d_jax.report.collect import collect, predictions_csv
from r3d_jax.video.views import read_views


@pytest.fixture(scope="module")
def videos():
    """Six videos, every second one of another frame size, of which one cannot be read."""
    files = [encode(frames_of(6 + i, 32, (32, 48)[i % 2])) for i in range(6)]
    videos = video_set(files, [0, 1, 2, 0, 1, 2])
    videos.records[3]["video"] = b"gone"
    return videos


def test_logits_are_those_of_each_video_alone_in_the_order_of_the_index(videos):
    network, rows = make_network(), np.array([5, 4, 3, 1, 0])
    found = collect(network, eval_batches(videos, rows, CLIP, batch_size=2), workers=1)
    assert found.rows.tolist() == [0, 1, 4, 5] and found.labels.tolist() == [0, 1, 1, 2]
    assert found.missing.keys() == {3} and found.missing[3]
    forward = make_forward(network)
    for i, row in enumerate(found.rows):
        logits = forward(read_views(open_video(videos, int(row)), CLIP)[None])
        np.testing.assert_allclose(found.of_clips[i], logits[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.logits[i], logits[0].mean(0), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.probabilities[i], probabilities(logits, network)[0], rtol=1e-4, atol=1e-6)
    assert (found.predicted == found.probabilities.argmax(1)).all()
    assert (found.confidence == found.probabilities.max(1)).all()


def test_where_nothing_can_be_read_there_is_nothing_to_tell(videos):
    batches = eval_batches(videos, np.array([3]), CLIP, batch_size=2)
    with pytest.raises(InputError, match="no test video can be read; prepare the data set again"):
        collect(make_network(), batches, workers=1)


def test_every_prediction_has_a_line_with_the_rank_of_its_label():
    logits = np.array([[2.0, 1.0, 0.0], [0.0, 0.0, 3.0]], np.float32)
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    tested = Found(np.array([0, 2]), np.array([1, 1]), logits[:, None], logits, probabilities, {1: "cut, short"})
    text = predictions_csv(tested, ("a", "b", "c"), np.array(["v0", "v1", "v2"]), np.array([1, 0, 1]))
    titles, first, second, missing = csv.reader(text.splitlines())
    assert titles == [
        "video", "label", "rank_of_label", "probability_of_label",
        "class1", "probability1", "class2", "probability2", "class3", "probability3", "missing",
    ]  # fmt: skip
    p = [f"{each:.6f}" for each in probabilities[0]]
    assert first == ["v0", "b", "2", p[1], "a", p[0], "b", p[1], "c", p[2], ""]
    assert second[:3] == ["v2", "b", "3"] and second[4::2][:3] == ["c", "a", "b"]
    assert missing == ["v1", "a", *[""] * 8, "cut, short"]
    text = predictions_csv(tested, ("=a", "b", "c"), np.array(["@v0", "-v1", "v2"]), np.array([1, 0, 1]))
    _, first, _, missing = csv.reader(text.splitlines())
    assert (first[0], first[4]) == ("'@v0", "'=a") and missing[:2] == ["'-v1", "'=a"]
