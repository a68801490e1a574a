"""Arrays in bfloat16, and how far a rounding may move what is computed of them."""

import jax.numpy as jnp
import numpy as np

ROUNDED = 2**-8  # what one rounding to bfloat16 may move, and more


def rounded(*arrays):
    """In bfloat16, and what they are then in float32."""
    arrays = [jnp.asarray(x, jnp.bfloat16) for x in arrays]
    return arrays, [np.asarray(x, np.float32) for x in arrays]
