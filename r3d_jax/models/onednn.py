"""3-D convolutions and their gradients by oneDNN, as parts of JAX's programs."""

import jax
import jax.numpy as jnp
import numpy as np

from r3d_jax.models import onednn_call, onednn_frames, onednn_plan
from r3d_jax.models.onednn_plan import Convolution
from r3d_jax.models.window import OPERANDS, is_depthwise, trimmed


def convolution(a, b, *, wanted, window):
    """A convolution, or a gradient of it, as `conv3d` has it: its operands are those of `OPERANDS[wanted]`.

    They are both float32 or both bfloat16, which oneDNN multiplies by itself where the processor can.
    """
    if wanted == "k" and a.dtype == jnp.bfloat16 and trimmed(window).kernel[0] > window.size[0]:
        a, window = _with_padding(a, window)
    given = dict(zip(OPERANDS[wanted], (a, b)))
    channels = given["x"].shape[4] if "x" in given else given["k"].shape[3] * window.groups
    features = given["y"].shape[4] if "y" in given else given["k"].shape[4]
    clips = given["y" if wanted == "x" else "x"].shape[0]
    return run(Convolution(wanted, clips, channels, features, window, a.dtype.name, a.dtype.name), a, b)


def _with_padding(x, window):
    """Clips with their zeros in time, and their window: of fewer frames than a kernel has, oneDNN 3.2 computes others.

    In bfloat16 alone, and in a kernel's gradient.
    """
    time, *others = window.padding
    size = window.size[0] + 2 * time, *window.size[1:]
    return jnp.pad(x, [(0, 0), (time, time), *[(0, 0)] * 3]), window._replace(size=size, padding=(0, *others))


def has(channels, features, wanted, window):
    """Whether there is a fast form of a convolution, or of its gradient."""
    if is_depthwise(channels, features, window):
        return wanted == "y" and onednn_frames.is_whole(window)
    return True


def followed_by(x, window, features, out, added, relu):
    """A convolution of clips like `x`, of a kernel that is prepared, with what follows it.

    Args:
      x: clips [clip, t, h, w, channel], or their shape and type.
      window: of the convolution.
      features: how many.
      out: type of what comes out.
      added: what is added, "bias", "shortcut" or both, in this order.
      relu: whether a ReLU comes last.
    """
    types = jnp.dtype(x.dtype).name, jnp.dtype(out).name
    return Convolution("y", x.shape[0], x.shape[4], features, window, *types, tuple(added), relu, prepared=True)


def run(of, *operands):
    """A convolution, within a traced function.

    Args:
      of: the `Convolution`.
      operands: those of `OPERANDS`, and what is added.
    """
    plan = onednn_plan.planned(of)
    results = [jax.ShapeDtypeStruct(shape(of), of.out), jax.ShapeDtypeStruct((plan.working,), np.uint8)]
    found, _ = onednn_call.call(plan.key, results, *operands)
    if of.wanted != "k":
        return found
    left = trimmed(of.window)
    after = [k - n - first for k, n, first in zip(of.window.kernel, left.kernel, left.first)]
    return jnp.pad(found, [*zip(left.first, after), (0, 0), (0, 0)])


def shape(of):
    """Of what a convolution gives; of a kernel's gradient, of the positions that are left."""
    if of.wanted == "k":
        return *trimmed(of.window).kernel, of.channels // of.window.groups, of.features
    size, channels = (of.window.size, of.channels) if of.wanted == "x" else (of.window.out, of.features)
    return of.clips, *size, channels
