import numpy as np
import pytest

from r3d_jax.training.losses import cross_entropy

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
