import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax

from r3d_jax.training.logistic import fit_path

PENALTIES = (10.0, 0.1, 0.001)


def drawn(rng):
    """Rows of three classes that overlap, on features of very different scales, the fourth of them constant."""
    labels = rng.integers(0, 3, 90)
    x = rng.normal(size=(90, 5)) + rng.normal(size=(3, 5))[labels]
    x = x * np.array([1, 100, 0.01, 0, 1]) + np.array([0, -300, 5, 7.7, 0])
    return x.astype(np.float32), labels.astype(np.int32)


def penalised(kernel, bias, x, labels, weights, penalty):
    """The objective in plain NumPy, in float64."""
    logits = x.astype(np.float64) @ kernel + bias
    losses = -log_softmax(logits, axis=1)[np.arange(len(x)), labels]
    share = weights / weights.sum()
    std = np.sqrt(share @ (x - share @ x.astype(np.float64)) ** 2)
    return share @ losses + penalty / 2 * ((kernel * std[:, None]) ** 2).sum()


def least(x, labels, weights, penalty):
    """The least objective that another program finds, on features that do not vary left out."""
    varying = np.arange(5) != 3
    x = x[:, varying].astype(np.float64)
    scale = x.std(0)

    def objective(params):
        kernel, bias = params[:-3].reshape(-1, 3) / scale[:, None], params[-3:]
        return penalised(kernel, bias - x.mean(0) @ kernel, x, labels, weights, penalty)

    return minimize(objective, np.zeros(3 * len(scale) + 3), options={"maxiter": 1000, "gtol": 1e-7}).fun


@pytest.mark.slow
@pytest.mark.parametrize("weighted", [False, True])
def test_the_penalised_loss_is_the_least_that_there_is(rng, weighted):
    x, labels = drawn(rng)
    weights = (np.arange(90) % 3 > 0).astype(np.float32) if weighted else np.ones(90, np.float32)
    path = fit_path(x, labels, weights, num_classes=3, penalties=PENALTIES)
    for penalty, (kernel, bias) in zip(PENALTIES, path, strict=True):
        found = penalised(kernel.astype(np.float64), bias, x, labels, weights, penalty)
        assert found == pytest.approx(least(x, labels, weights, penalty), rel=1e-4, abs=1e-5)
        assert (kernel[3] == 0).all()  # the feature that does not vary


@pytest.mark.slow
def test_rows_without_weight_do_not_count(rng):
    x, labels = drawn(rng)
    weights = (np.arange(90) < 60).astype(np.float32)
    (some,) = fit_path(x, labels, weights, num_classes=3, penalties=(0.1,))
    x[60:], labels[60:] = 1e6 * rng.normal(size=(30, 5)), 0
    (same,) = fit_path(x, labels, weights, num_classes=3, penalties=(0.1,))
    np.testing.assert_allclose(same.kernel, some.kernel, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(same.bias, some.bias, rtol=1e-3, atol=1e-3)
