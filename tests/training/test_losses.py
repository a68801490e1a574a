import numpy as np
import pytest

from r3d_jax.training.losses import binary_cross_entropy, cross_entropy

LOGITS = np.array([[2.0, 0.0, -1.0], [0.5, 0.5, 0.5]], np.float32)
LABEL = np.array([0, 2], np.int32)


def expected(label):
    shifted = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
    return -np.log(shifted[np.arange(2), label])


def test_each_clip_has_the_cross_entropy_of_its_label():
    np.testing.assert_allclose(cross_entropy(LOGITS, {"label": LABEL}), expected(LABEL), rtol=1e-6)


@pytest.mark.parametrize("weight", [[1.0, 0.0], [0.25, 0.6]])
def test_mixed_clips_are_weighted_between_their_labels(weight):
    other, weight = np.array([1, 1], np.int32), np.array(weight, np.float32)
    found = cross_entropy(LOGITS, {"label": LABEL, "other": other, "weight": weight})
    np.testing.assert_allclose(found, weight * expected(LABEL) + (1 - weight) * expected(other), rtol=1e-6)


def by_the_formula(label):
    """PyTorch's BCEWithLogitsLoss of each clip, before its mean over the clips."""
    sigmoid = 1 / (1 + np.exp(-LOGITS.astype(np.float64)))
    return -(label * np.log(sigmoid) + (1 - label) * np.log(1 - sigmoid)).mean(1)


MULTI_HOT = np.array([[1, 0, 1], [0, 0, 0]], np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_several_labels_have_the_binary_cross_entropy_of_each_class(dtype):
    found = binary_cross_entropy(LOGITS, {"label": MULTI_HOT.astype(dtype)})
    np.testing.assert_allclose(found, by_the_formula(MULTI_HOT), rtol=1e-6)
    assert found[1] == pytest.approx(np.log1p(np.exp(0.5)), rel=1e-6)  # of no class


def test_mixed_clips_of_several_labels_have_the_loss_of_the_blend():
    other, weight = np.array([[0, 1, 1], [1, 0, 0]], np.uint8), np.array([0.25, 0.6], np.float32)
    found = binary_cross_entropy(LOGITS, {"label": MULTI_HOT, "other": other, "weight": weight})
    blend = weight[:, None] * MULTI_HOT + (1 - weight[:, None]) * other
    np.testing.assert_allclose(found, by_the_formula(blend), rtol=1e-6)
