import numpy as np
import pytest

from r3d_jax.training.losses import balanced_weights, binary_cross_entropy, clip_weights, cross_entropy

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


WEIGHTS = (0.5, 2.0, 3.0)


def pytorchs(label, smoothing, weights):
    """torch.nn.CrossEntropyLoss(weight, label_smoothing, reduction="none") of class indices, term by term."""
    log = np.log(np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True))
    losses = []
    for row, y in zip(log, label):
        of_label = -(1 - smoothing) * weights[y] * row[y]
        losses.append(of_label - sum(smoothing / len(row) * w * p for w, p in zip(weights, row)))
    return np.array(losses)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weights", [(), WEIGHTS])
def test_smoothing_and_class_weights_are_pytorchs_with_mixed_clips_too(smoothing, weights):
    options = {"label_smoothing": smoothing, "class_weights": weights}
    weights = weights or (1.0, 1.0, 1.0)
    found = cross_entropy(LOGITS, {"label": LABEL}, **options)
    np.testing.assert_allclose(found, pytorchs(LABEL, smoothing, weights), rtol=1e-5)
    other, share = np.array([1, 1], np.int32), np.array([0.25, 0.6], np.float32)
    found = cross_entropy(LOGITS, {"label": LABEL, "other": other, "weight": share}, **options)
    of_both = [pytorchs(label, smoothing, weights) for label in (LABEL, other)]
    np.testing.assert_allclose(found, share * of_both[0] + (1 - share) * of_both[1], rtol=1e-5)


def test_smoothed_targets_of_mixed_clips_are_those_that_pytorch_takes_as_probabilities():
    """torch: t = (1 - s) t + s / C; the loss is -sum(t log p)."""
    other, share = np.array([1, 1], np.int32), np.array([0.25, 0.6], np.float32)
    targets = share[:, None] * np.eye(3)[LABEL] + (1 - share[:, None]) * np.eye(3)[other]
    log = np.log(np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True))
    found = cross_entropy(LOGITS, {"label": LABEL, "other": other, "weight": share}, label_smoothing=0.1)
    np.testing.assert_allclose(found, -((0.9 * targets + 0.1 / 3) * log).sum(1), rtol=1e-5)


def test_a_clip_counts_as_much_as_its_class():
    assert clip_weights({"label": LABEL}, WEIGHTS).tolist() == [0.5, 3.0]
    mixed = {"label": LABEL, "other": np.array([1, 1], np.int32), "weight": np.array([0.25, 1.0], np.float32)}
    assert clip_weights(mixed, WEIGHTS).tolist() == [0.25 * 0.5 + 0.75 * 2.0, 3.0]


def test_balanced_weights_make_every_class_count_the_same():
    labels = np.array([0, 0, 0, 2, 0, 2, 0, 0])
    weights = balanced_weights(labels, 4)
    assert weights == pytest.approx((8 / (2 * 6), 0, 8 / (2 * 2), 0))
    assert np.mean([weights[y] for y in labels]) == pytest.approx(1)


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
