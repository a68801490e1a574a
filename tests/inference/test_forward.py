from functools import partial

import jax
import numpy as np
import pytest

from r3d_jax.errors import InputError
from r3d_jax.inference import programs
from r3d_jax.inference.forward import _filled_up, make_forward, make_maps, probabilities
from r3d_jax.models import conv3d, fused, onednn_probe
from r3d_jax.models.cam import grad_cam
from r3d_jax.models.classifier import build, init_variables
from r3d_jax.models.predict import predict_views
from r3d_jax.video.clips import ClipSpec
from r3d_jax.weights.trained import TrainedNetwork


@pytest.fixture
def clips(rng):
    return rng.integers(0, 256, (3, 2, 4, 16, 20, 3), np.uint8)


def test_any_number_of_videos_on_all_devices_gives_predict_views(network, clips, devices):
    expected = jax.jit(partial(predict_views, model=network.model))(network.variables, clips)
    forward = make_forward(network)
    for count in (1, 2, 3):
        np.testing.assert_allclose(forward(clips[:count]), expected[:count], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_the_logits_are_those_of_the_head_that_has_the_class_names(network, clips):
    head = network.model.heads[0]
    model = network.model.clone(heads=(head, head.clone(num_classes=7, unique_id="other")))
    variables = init_variables(model, jax.random.key(1), (4, 16, 16, 3))
    several = network._replace(model=model, variables=variables)
    expected, _ = jax.jit(partial(predict_views, model=model))(variables, clips)
    np.testing.assert_allclose(make_forward(several)(clips), expected, rtol=1e-4, atol=1e-5)


@pytest.fixture
def fusing(monkeypatch, devices):
    """One device, and oneDNN for all convolutions; gives what is prepared, call by call."""
    if not onednn_probe.holds("float32", "fused y"):
        pytest.skip("oneDNN's convolution does not hold here")
    prepared = []

    def noting(*arguments):
        found = fused.fused(*arguments)
        return found._replace(prepare=lambda variables: prepared.append(1) or found.prepare(variables))

    with monkeypatch.context() as patch:
        patch.setattr(conv3d, "WORTHWHILE", 0)
        patch.setattr(jax, "devices", lambda *_: devices[:1])
        patch.setattr(programs, "fused", noting)
        programs._program.cache_clear()
        yield prepared
    programs._program.cache_clear()


def test_on_one_processor_convolutions_are_fused(network, clips, fusing):
    expected = jax.jit(partial(predict_views, model=network.model))(network.variables, clips)
    forward = make_forward(network)
    for count in (1, 2, 1):
        np.testing.assert_allclose(forward(clips[:count]), expected[:count], rtol=1e-4, atol=1e-5)
    assert fusing == [1]  # for both numbers of videos


def test_few_prepared_copies_of_the_weights_are_kept(network, rng, fusing, monkeypatch):
    monkeypatch.setattr(fused, "KEPT", 1)
    forward, counts = make_forward(network), []
    for frames in (4, 1, 1, 4):  # of one frame, kernels lose what would meet zeros
        forward(rng.integers(0, 256, (1, 1, frames, 16, 16, 3), np.uint8))
        counts.append(len(fusing))
    assert counts == [1, 2, 2, 3]


@pytest.mark.slow
@pytest.mark.parametrize("activation, total", [("softmax", 1), ("sigmoid", None)])
@pytest.mark.parametrize("average", ["logits", "probabilities"])
def test_a_videos_probabilities_are_averaged_as_the_head_says(rng, activation, total, average):
    model = build("r3d_18", 4, activation=activation, average=average)
    logits = rng.standard_normal((2, 3, 4), np.float32)
    found = probabilities(logits, TrainedNetwork(model, {}, tuple("abcd"), ClipSpec()))
    function = {"softmax": jax.nn.softmax, "sigmoid": jax.nn.sigmoid}[activation]
    expected = function(logits).mean(1) if average == "probabilities" else function(logits.mean(1))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    if total:
        np.testing.assert_allclose(found.sum(1), total, rtol=1e-5)


def test_maps_are_those_of_each_video_alone(network, clips):
    classes = np.array([0, 2, 1])
    maps = make_maps(network)(clips, classes)
    alone = jax.jit(partial(grad_cam, model=network.model))(network.variables, clips, classes)
    np.testing.assert_allclose(maps, alone, rtol=1e-4, atol=1e-6)


def test_few_sizes_are_compiled_and_little_is_computed_for_nothing():
    sizes = [_filled_up(count) for count in range(1, 200)]
    assert sizes[:9] == [1, 2, 3, 4, 6, 6, 8, 8, 12] and len(set(sizes)) == 16
    assert all(count <= size < 1.5 * count for count, size in enumerate(sizes, start=1))


def test_an_answer_that_is_no_number_is_refused(network):
    for logits in ([[[0.0, np.nan, 1.0]]], [[[np.inf, 0.0, np.inf]]]):
        with pytest.raises(
            InputError, match="the network's answer is not a number: its weights are finite, but so large"
        ):
            probabilities(np.array(logits, np.float32), network)
