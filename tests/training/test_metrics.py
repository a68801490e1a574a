import jax
import numpy as np
import pytest
from seeded import case_of

from r3d_jax.training.metrics import count, count_multi_label, hits, proportion_of, summarise

METERS = case_of("protocol")["meters"]
hits_of = jax.jit(hits, static_argnums=2)


def check_both_levels(average):
    views = METERS["clips_per_video"]
    probabilities = np.array(METERS["probabilities"], np.float32).reshape(-1, views, 6)
    labels = np.array(METERS["labels"][::views])
    counts = jax.jit(count)(probabilities, average(probabilities, 1), labels, np.ones(len(labels), bool))
    summary = summarise(jax.device_get(counts), 6)
    for level in ("clip", "video"):
        for k in (1, 5):
            expected = METERS[f"{level}_accuracy"][f"top_{k}"]
            assert summary[f"{level}_top{k}"] == pytest.approx(expected, abs=1e-6), (level, k)
    assert (summary["videos"], summary["clips"]) == (4, 12)


def test_both_levels_are_the_references():
    check_both_levels(np.mean)


def test_the_last_clip_in_place_of_the_average_is_noticed():
    with pytest.raises(AssertionError):
        check_both_levels(lambda rows, axis: rows[:, -1])


def test_padding_counts_nowhere(rng):
    logits = rng.standard_normal((5, 2, 7), np.float32)
    labels, valid = np.arange(5), np.array([True, True, False, True, False])
    counts = jax.jit(count)
    padded = counts(logits, logits.mean(1), labels, valid)
    kept = np.flatnonzero(valid)
    bare = counts(logits[kept], logits[kept].mean(1), labels[kept], np.ones(3, bool))
    for name in bare:
        np.testing.assert_allclose(padded[name], bare[name], rtol=1e-6)


def test_a_tie_is_a_hit_for_the_lower_class_only():
    logits, labels = np.zeros((2, 4), np.float32), np.array([0, 3])
    assert hits_of(logits, labels, 1).tolist() == [True, False]


def test_top_k_of_too_few_classes_is_left_out():
    counts = dict.fromkeys(("videos", "clips", "loss", "video_top1", "video_top5", "clip_top1", "clip_top5"), 1.0)
    counts |= dict.fromkeys(("class_videos", "class_hits"), np.ones(5, int))
    assert "video_top5" not in summarise(counts, 5) and "video_top5" in summarise(counts, 6)


@pytest.mark.parametrize(
    "right, count, low, high",
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_intervals_are_wilsons(right, count, low, high):
    np.testing.assert_allclose(proportion_of(right, count), (right / count, low, high), atol=5e-5)
    np.testing.assert_allclose(proportion_of(count - right, count)[1:], (1 - high, 1 - low), atol=5e-5)


def test_a_share_of_nothing_is_unknown():
    assert np.isnan(proportion_of(0, 0)).all()


@pytest.mark.slow
def test_each_class_with_videos_counts_the_same_in_the_mean_class_accuracy(rng):
    """Three of four videos of the first class are right, one of two of the third; of the others none counts."""
    labels, best = np.array([0, 0, 0, 0, 2, 2, 1]), np.array([0, 0, 0, 3, 2, 0, 1])
    logits = rng.random((7, 2, 4), np.float32) + 9 * np.eye(4, dtype=np.float32)[best][:, None]
    counts = jax.device_get(jax.jit(count)(logits, logits.mean(1), labels, np.arange(7) < 6))
    assert counts["class_videos"].tolist() == [4, 0, 2, 0] and counts["class_hits"].tolist() == [3, 0, 1, 0]
    assert summarise(counts, 4)["mean_class_accuracy"] == pytest.approx((3 / 4 + 1 / 2) / 2)


def test_of_several_labels_one_among_the_largest_logits_is_a_hit():
    logits, labels = np.float32([[3, 2, 1]] * 3), np.uint8([[0, 0, 1], [1, 0, 1], [0, 0, 0]])
    assert hits_of(logits, labels, 1).tolist() == [False, True, False]
    assert hits_of(logits, labels, 3).tolist() == [True, True, False]


def test_sums_of_several_labels_leave_out_what_is_not_valid(rng):
    logits, labels = rng.normal(size=(3, 2, 4)).astype(np.float32), (rng.random((3, 4)) < 0.5).astype(np.uint8)
    found = jax.jit(count_multi_label)(logits, logits.mean(1), labels, np.array([True, False, True]))
    chosen, its = logits.mean(1)[[0, 2]], labels[[0, 2]]
    losses = np.where(its, np.log1p(np.exp(-chosen)), np.log1p(np.exp(chosen))).mean(1)
    assert (int(found["videos"]), int(found["clips"])) == (2, 4)
    assert float(found["loss"]) == pytest.approx(losses.sum(), rel=1e-5)
