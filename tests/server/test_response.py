import numpy as np
import pytest
from videos import encode, frames_of

from r3d_jax.server.question import ask
from r3d_jax.server.request import Refused
from r3d_jax.server.response import likeliest, respond, strip


@pytest.fixture
def video():
    return encode(frames_of(15))


def test_a_response_gives_the_likeliest_classes_and_their_course(network, video):
    question = ask(video, network.clip, timeline=True)
    logits = np.zeros((11, 3), np.float32)
    logits[:3, 1], logits[3:, 1], logits[-1] = np.log(2), np.log(2), [0, 0, np.log(4)]
    response = respond(network, question, logits, top=2)
    assert response["frames"] == 15 and response["seconds"] == 0.56
    assert response["top"] == [{"class": "run", "probability": 0.5}, {"class": "ride", "probability": 0.25}]
    course = response["timeline"]
    assert course["seconds"] == question.along_seconds.round(3).tolist()
    assert {each["class"]: each["probabilities"] for each in course["classes"]} == {
        "swim": pytest.approx([0.25] * 7 + [4 / 6], abs=1e-6),
        "run": pytest.approx([0.5] * 7 + [1 / 6], abs=1e-6),
    }
    assert "timeline" not in respond(network, ask(video, network.clip, timeline=False), logits[:3], top=2)


def test_a_strip_shows_each_view_at_its_time(network, video, rng):
    question = ask(video, network.clip, timeline=False)
    pictures = strip(question, rng.random((3, 2, 2, 2), np.float32), "run")
    assert pictures["class"] == "run"
    assert [each["seconds"] for each in pictures["frames"]] == [0.06, 0.26, 0.5]
    assert all(each["image"].startswith("data:image/jpeg;base64,/9j/") for each in pictures["frames"])


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_outputs_that_are_not_finite_are_no_response(network, video, rng, wrong):
    question = ask(video, network.clip, timeline=False)
    logits, maps = np.zeros((3, 3), np.float32), rng.random((3, 2, 2, 2), np.float32)
    logits[1, 2] = maps[0, 1, 1, 1] = wrong
    for call in (lambda: respond(network, question, logits, top=2), lambda: strip(question, maps, "run")):
        with pytest.raises(Refused, match="outputs are not finite") as refused:
            call()
        assert refused.value.status == 500


def test_of_several_labels_the_classes_that_reach_a_threshold_are_given(network, video):
    model = network.model.clone(heads=(network.model.heads[0].clone(activation="sigmoid"),))
    several = network._replace(model=model)
    question = ask(video, network.clip, timeline=True)
    logits = np.full((11, 3), -2, np.float32)
    logits[:3, :2], logits[5, 2] = [1, 3], 2
    response = respond(several, question, logits, 3, 0.5)
    expected = {"run": 1 / (1 + np.exp(-3)), "ride": 1 / (1 + np.exp(-1))}  # which do not add up to one
    assert {each["class"]: each["probability"] for each in response["top"]} == pytest.approx(expected, abs=1e-6)
    assert response["threshold"] == 0.5 and [each["class"] for each in response["timeline"]["classes"]] == ["swim"]
    nothing = respond(several, question, logits, 3, 0.99)
    assert nothing["top"] == [] and [each["class"] for each in nothing["timeline"]["classes"]] == ["swim"]
    assert likeliest(several, question, logits) == 1
