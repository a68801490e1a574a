"""A 3-D convolution as the textbook has it: slow, in float64, by NumPy alone."""

import numpy as np

CASES = {  # size, kernel, stride, padding, groups
    "stem": ((4, 9, 8), (3, 7, 7), (1, 2, 2), (1, 3, 3), 1),
    "plain": ((3, 9, 8), (3, 3, 3), (1, 1, 1), (1, 1, 1), 1),
    "strided in time": ((5, 9, 8), (3, 3, 3), (2, 2, 2), (1, 1, 1), 1),
    "one frame": ((1, 9, 8), (3, 3, 3), (2, 1, 1), (1, 1, 1), 1),
    "projection": ((4, 9, 8), (1, 1, 1), (2, 2, 2), (0, 0, 0), 1),
    "pointwise": ((2, 9, 8), (1, 1, 1), (1, 1, 1), (0, 0, 0), 1),
    "padded pointwise": ((2, 9, 8), (1, 1, 1), (1, 1, 2), (0, 1, 1), 1),
    "grouped": ((3, 9, 8), (3, 3, 3), (1, 1, 1), (1, 1, 1), 2),
    "stride above kernel": ((7, 9, 8), (1, 3, 3), (3, 1, 1), (0, 1, 1), 1),
    "wide padding": ((2, 9, 8), (5, 3, 3), (1, 1, 1), (2, 1, 1), 1),
    "no padding": ((6, 9, 8), (3, 3, 3), (1, 2, 2), (0, 0, 0), 1),
    "too much padding": ((4, 9, 8), (1, 3, 3), (1, 2, 2), (2, 2, 2), 1),
    "depthwise": ((3, 9, 8), (3, 3, 3), (1, 1, 1), (1, 1, 1), 4),
    "depthwise, strided": ((5, 9, 8), (3, 3, 3), (2, 2, 2), (1, 1, 1), 4),
    "depthwise in time": ((4, 9, 8), (5, 1, 1), (1, 1, 1), (2, 0, 0), 4),
    "depthwise, too much padding": ((2, 9, 8), (3, 1, 3), (3, 1, 2), (2, 2, 2), 4),
}


def correlation(x, kernel, *, stride=(1, 1, 1), low=(0, 0, 0), high=(0, 0, 0), groups=1):
    """Of x [clip, t, h, w, channel] with kernel [kt, kh, kw, channel / groups, feature], zeros before and after."""
    x = np.pad(np.asarray(x, np.float64), [(0, 0), *zip(low, high), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:3], (1, 2, 3))
    windows = windows[:, :: stride[0], :: stride[1], :: stride[2]]
    parts = zip(np.split(windows, groups, 4), np.split(np.asarray(kernel, np.float64), groups, 4))
    sums = [np.einsum("nthwcxyz,xyzck->nthwk", window, part, optimize=True) for window, part in parts]
    return np.concatenate(sums, -1)


def operands(rng, size=(4, 9, 8), kernel=(3, 3, 3), groups=1):
    """x of two clips of four channels, and a kernel to six features (or as many, each by itself), in float32."""
    x, features = rng.standard_normal((2, *size, 4), np.float32), 4 if groups == 4 else 6
    return x, rng.standard_normal((*kernel, 4 // groups, features), np.float32)
