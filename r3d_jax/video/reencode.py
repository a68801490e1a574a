"""Videos made small and quick to enter: re-encoded at a chosen short edge, with a key frame every few frames."""

import io
import math
import time
from fractions import Fraction
from typing import NamedTuple

import av
import numpy as np
from jaxtyping import UInt8

from r3d_jax.video.clips import train_clip
from r3d_jax.video.decode import PacketIndex, decode, reason_of
from r3d_jax.video.pixels import each_whole
from r3d_jax.video.probe import VideoInfo, probe

TICKS = 90_000  # a second; fine enough for any frame rate
QUALITY = 18  # x264's constant rate factor: hard to tell from the original
CLIPS, FRAMES = 5, 8  # read from each video that is measured


class Effect(NamedTuple):
    """What re-encoding has done to one video.

    Attributes:
      bytes_before: of the original file.
      bytes_after: of the re-encoded one.
      before: milliseconds to decode a clip of the original.
      after: milliseconds to decode a clip of the re-encoded video.
      error: mean square of the differences of pixels from 0 to 255, at the chosen size.
    """

    bytes_before: int
    bytes_after: int
    before: float
    after: float
    error: float


def reencode(
    data: bytes, info: VideoInfo, packet_index: PacketIndex, *, short_edge: int, key_every: int
) -> tuple[bytes, VideoInfo, PacketIndex]:
    """Encodes a video anew as H.264 in mp4: upright, with square pixels, every frame at its time.

    Args:
      data: the file's bytes.
      info: of the video in them, as `probe` gives it with `packet_index`.
      short_edge: in pixels, what the short edge becomes unless it is shorter; odd edges lose a row or column.
      key_every: frames from one key frame to the next.

    Returns:
      The new file's bytes and what `probe` finds in them; rate and times are those of the original.

    Raises:
      ValueError: the video does not decode, cannot be encoded, or would lose frames; the message is the reason.
    """
    try:
        smaller = _encode(data, info, packet_index, min(short_edge, info.height, info.width), key_every)
    except av.error.FFmpegError as error:
        raise ValueError(f"cannot be re-encoded: {reason_of(error)}") from error
    found, place = probe(smaller)
    if found.num_frames != info.num_frames:
        raise ValueError(f"{found.num_frames} of its {info.num_frames} frames are left once it is re-encoded")
    return smaller, found._replace(frame_rate=info.frame_rate), place._replace(seconds=packet_index.seconds)


def _encode(data, info, packet_index, size, key_every):
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream = None
        rate = Fraction(info.frame_rate or 25).limit_denominator(TICKS)
        frames = each_whole(data, packet_index, info, np.arange(info.num_frames), size=size)
        for frame, seconds in zip(frames, packet_index.seconds, strict=True):
            stream = stream or add_stream(output, rate, frame.shape[:2], key_every)
            output.mux(stream.encode(picture(frame, seconds, stream)))
        output.mux(stream.encode())
    return file.getvalue()


def effect(
    before: tuple[bytes, VideoInfo, PacketIndex], after: tuple[bytes, VideoInfo, PacketIndex], *, short_edge: int
) -> Effect:
    """Measures what re-encoding has done to a video, on a few random clips.

    Args:
      before: the original's bytes, and what `probe` finds in them.
      after: those of the re-encoded video.
      short_edge: in pixels, that was asked for.

    Raises:
      ValueError: a frame of either cannot be had; the message is the reason.
    """
    info = before[1]
    starts = [train_clip(info.num_frames, np.random.default_rng(k), frames=FRAMES, stride=1) for k in range(CLIPS)]
    size = min(short_edge, info.height, info.width)
    wanted = np.unique(np.concatenate(starts))
    error = [
        np.square(old[: new.shape[0], : new.shape[1]].astype(np.float32) - new).mean()
        for old, new in zip(
            each_whole(before[0], before[2], info, wanted, size=size),
            each_whole(after[0], after[2], after[1], wanted, size=min(after[1].height, after[1].width)),
        )
    ]
    times = [_clip_time(data, packet_index, starts) for data, _, packet_index in (before, after)]
    return Effect(len(before[0]), len(after[0]), *times, float(np.mean(error)))


def describe(effects: list[Effect]) -> str:
    """Tells in one line what re-encoding has done, on average over at least one video that was measured."""
    bytes_before, bytes_after, before, after, error = (sum(column) for column in zip(*effects))
    psnr = 10 * math.log10(255**2 / max(error / len(effects), 1e-9))
    return (
        f"re-encoded ({len(effects)} videos measured): a clip of {FRAMES} frames decodes in "
        f"{after / len(effects):.1f} ms instead of {before / len(effects):.1f} ({before / after:.1f} times as fast), "
        f"{bytes_after / bytes_before:.0%} of the bytes, pixels at that size within {psnr:.1f} dB of the original's"
    )


def add_stream(
    output: av.container.OutputContainer, rate: Fraction, size: tuple[int, int], key_every: int
) -> av.VideoStream:
    """Adds an H.264 stream to a container, made to be decoded quickly; times are counted in `TICKS` a second.

    Args:
      rate: frames a second, on average.
      size: (height, width) in pixels; odd edges lose a row or column.
      key_every: frames from one key frame to the next.
    """
    stream = output.add_stream("libx264", rate=rate)
    # H.264 with colour at half resolution needs even edges: an odd last row or column goes.
    stream.height, stream.width = (max(2, edge - edge % 2) for edge in size)
    stream.pix_fmt, stream.gop_size = "yuv420p", key_every
    context = stream.codec_context
    context.time_base, context.thread_count, context.max_b_frames = Fraction(1, TICKS), 1, 0
    # Without what costs a decoder most: smoothing of blocks, arithmetic coding.
    context.options = {"crf": str(QUALITY), "preset": "veryfast", "tune": "fastdecode", "sc_threshold": "0"}
    context.options |= {"mbtree": "0"}  # with it, the same frames give other bytes now and then, where AVX-512 is
    return stream


def picture(frame: UInt8[np.ndarray, "height width 3"], seconds: float, stream: av.VideoStream) -> av.VideoFrame:
    """Makes an RGB array a frame for a stream that `add_stream` has made, to be shown after some `seconds`."""
    fitting = np.ascontiguousarray(frame[: stream.height, : stream.width])
    found = av.VideoFrame.from_ndarray(fitting, format="rgb24")
    found.pts, found.time_base = round(seconds * TICKS), Fraction(1, TICKS)
    return found


def _clip_time(data, packet_index, clips):
    """Milliseconds for a clip; the median."""
    times = []
    for clip in clips:
        start = time.perf_counter()
        for _ in decode(data, packet_index, np.unique(clip)):
            pass
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))
