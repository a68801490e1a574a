"""Convolutions of each channel by itself by oneDNN: in 2-D, one position of the kernel in time (tap) after the other.

oneDNN has fast ones in 2-D alone. The sums over all taps but the last are kept apart, in float32; with the last come
these, and what follows the convolution.
"""

from functools import cache
from itertools import groupby

from r3d_jax.models import onednn_library as library


def pieces(of):
    """Descriptions of a kernel's tap, as given and in order, and where each begins in both, in bytes."""
    (kt, kh, kw), channels = of.window.kernel, of.channels
    given = library.described((channels, 1, 1, kh, kw), (1, 1, 1, kw * channels, channels), of.dtype)
    ordered = _ordered(of)
    sizes = kh * kw * channels * library.BYTES[of.dtype], library.byte_count(ordered)
    return given, ordered, tuple((sizes[0] * tap, sizes[1] * tap) for tap in range(kt))


def _ordered(of):
    return library.asked(_operation(of.channels, of.window, of.dtype, of.dtype, 1), library.WEIGHTS)


def _incoming(count, channels, window, dtype):
    """Description of `count` frames that come in, one for each that comes out."""
    return _described(count, channels, window.size, dtype)


def _outgoing(count, channels, window, dtype):
    return _described(count, channels, window.out, dtype)


def _described(count, channels, size, dtype):
    _, height, width = size
    strides = height * width * channels, 1, width * channels, channels
    return library.described((count, channels, height, width), strides, dtype)


@cache
def _operation(channels, window, dtype, out, count, *, kernel=None, bias=False, summed=False, added=(), relu=False):
    """The convolution of `count` frames with a tap.

    Args:
      kernel: its description; None: in an order that is to be chosen.
      bias: whether there is one.
      summed: whether it is added to what lies at its destination.
      added: types of what is added besides, in turn.
      relu: whether a ReLU comes last.
    """
    kernel = kernel or library.described((channels, 1, 1, *window.kernel[1:]), None, dtype)
    ends = _incoming(count, channels, window, dtype), kernel, _outgoing(count, channels, window, out)
    geometry = library.Geometry(*ends, window.stride[1:], window.padding[1:], window.padding[1:])
    added = [_outgoing(count, channels, window, each) for each in added]
    return library.forward(geometry, library.bias(channels) if bias else None, summed=summed, added=added, relu=relu)


def steps(of, memory, kernels):
    """The steps of a convolution's values; `kernels` is memory of the kernel's taps."""
    runs = [(taps, list(run)) for (taps, _), run in groupby(range(of.window.out[0]), lambda at: _run(at, of.window))]
    bias = memory.given(library.bias(of.channels), "bias") if "bias" in of.added else None
    counts = {len(run) for taps, run in runs if len(taps) > 1}
    sums = {count: memory.own(_outgoing(count, of.channels, of.window, "float32")) for count in counts}
    found = []
    for clip in range(of.clips):
        for taps, run in runs:
            for tap in taps:
                ends = tap == taps[0], tap == taps[-1]
                found.append(_step(of, memory, kernels[tap], bias, sums.get(len(run)), clip, run, tap, ends))
    return found


def _step(of, memory, kernel, bias, sums, clip, run, tap, ends):
    """A tap of a clip's outputs next to each other in time; `ends`: whether it is the first, and the last one."""
    count, (first, last) = len(run), ends
    start = run[0] * of.window.stride[0] + tap - of.window.padding[0]
    source = memory.given(
        _incoming(count, of.channels, of.window, of.dtype), "x", _offset(of, of.window.size, of.dtype, clip, start)
    )
    arguments, options = {library.SOURCE: source, library.WEIGHTS: kernel}, {"kernel": _ordered(of)}
    if bias and first:
        arguments[library.BIAS], options["bias"] = bias, True
    if not last:
        arguments[library.DESTINATION], options["summed"] = sums, not first
        return memory.step(_operation(of.channels, of.window, of.dtype, "float32", count, **options), arguments)
    result, at = _outgoing(count, of.channels, of.window, of.out), _offset(of, of.window.out, of.out, clip, run[0])
    arguments[library.DESTINATION] = memory.given(result, "y", at)
    added = [("float32", sums)] * (not first)
    if "shortcut" in of.added:
        added.append((of.out, memory.given(result, "shortcut", at)))
    arguments |= {library.behind(place): each for place, (_, each) in enumerate(added)}
    options |= {"added": tuple(dtype for dtype, _ in added), "relu": of.relu}
    return memory.step(_operation(of.channels, of.window, of.dtype, of.out, count, **options), arguments)


def _offset(of, size, dtype, clip, frame):
    """Where a frame of a clip begins, in bytes."""
    time, height, width = size
    return (clip * time + frame) * height * width * of.channels * library.BYTES[dtype]


def _run(output, window):
    """What is the same for outputs that are computed together: their taps; at a stride in time, each is by itself.

    Of frames that do not lie one behind the other, oneDNN has no fast convolution.
    """
    return _taps(output, window), output if window.stride[0] > 1 else 0


def is_whole(window):
    """Whether every output meets a frame."""
    return all(_taps(output, window) for output in range(window.out[0]))


def _taps(output, window):
    """The taps that meet a frame for an output."""
    start = output * window.stride[0] - window.padding[0]
    return tuple(tap for tap in range(window.kernel[0]) if 0 <= start + tap < window.size[0])
