"""One 3-D convolution; the fastest lowering for each platform lives here and nowhere else."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

Clips = Float[Array | np.ndarray, "clip time height width channel"]


def conv3d(
    x: Clips,
    kernel: Float[Array | np.ndarray, "kt kh kw channel_per_group feature"],
    stride: tuple[int, int, int] = (1, 1, 1),
    *,
    padding: tuple[int, int, int] = (0, 0, 0),
    groups: int = 1,
) -> Float[Array, "clip time2 height2 width2 feature"]:
    """Cross-correlation of `x` with `kernel`, zero-padded by `padding` on both sides of each axis."""
    if by_taps():
        return _sum_of_temporal_taps(x, kernel, stride, padding, groups)
    return lax.conv_general_dilated(
        x,
        kernel,
        stride,
        [(p, p) for p in padding],
        dimension_numbers=("NDHWC", "DHWIO", "NDHWC"),
        feature_group_count=groups,
    )


def by_taps() -> bool:
    """Whether the temporal taps are the faster form here: on a CPU."""
    return jax.default_backend() == "cpu"


def _sum_of_temporal_taps(x, kernel, stride, padding, groups):
    """The same values as a sum of 2-D convolutions, one for each temporal kernel position.

    XLA's CPU backend has fast 2-D convolutions and gradients but slow 3-D ones, hopeless at a stride. A tap
    is applied only to the frames that it meets, so the zero frames of the padding cost nothing.
    """
    clips, time = x.shape[:2]
    step, pad = stride[0], padding[0]
    taps = kernel.shape[0]
    time_out = (time + 2 * pad - taps) // step + 1
    total = None
    for tap in range(taps):
        # Output frame t reads input frame t * step + tap - pad; keep the t for which that frame exists.
        first = max(0, -((tap - pad) // step))
        last = min(time_out - 1, (time - 1 + pad - tap) // step)
        if first > last:
            continue
        start = first * step + tap - pad
        frames = x[:, start : start + (last - first) * step + 1 : step]
        out = lax.conv_general_dilated(
            frames.reshape(-1, *x.shape[2:]),
            kernel[tap],
            stride[1:],
            [(p, p) for p in padding[1:]],
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )
        out = out.reshape(clips, last - first + 1, *out.shape[1:])
        out = jnp.pad(out, [(0, 0), (first, time_out - 1 - last), (0, 0), (0, 0), (0, 0)])
        total = out if total is None else total + out
    return total
