"""How near two results are."""

import jax
import numpy as np


def close(found, expected, tolerance=1e-5):
    """Every array of a tree is the expected one, within `tolerance` of the largest value in that.

    A value near zero has no accuracy of its own: it is the sum of larger ones, which each processor adds up in an order
    of its own. By their largest, float32 results agree to 1e-5 everywhere.
    """
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        other = np.asarray(other)
        assert np.shape(one) == other.shape
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * np.abs(other).max())
