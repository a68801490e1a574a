"""Bytes to frames; the only file that touches PyAV."""

import io
from contextlib import contextmanager
from typing import NamedTuple

import av
import numpy as np
from av.stream import Disposition
from av.video.reformatter import VideoReformatter
from jaxtyping import Int, UInt8


class VideoInfo(NamedTuple):
    """What decoding a whole video once has shown.

    Attributes:
      frame_per_packet: packet i decodes to frame i at once, so that decoding may start at any key frame.
      frame_rate: frames per second; 0 where the file does not say.
    """

    num_frames: int
    frame_per_packet: bool
    frame_rate: float
    height: int
    width: int


def probe(data: bytes) -> VideoInfo:
    """Decodes every frame and counts them; what a file declares is often wrong.

    Raises:
      ValueError: no video stream, or nothing in it decodes, or it breaks off; the message is the reason.
    """
    with _video_stream(data) as (container, stream):
        num_frames, one_each = 0, True
        try:
            for packet in _packets(container, stream):
                decoded = len(packet.decode())
                num_frames += decoded
                one_each = one_each and decoded == (1 if packet.size else 0)
        except av.error.FFmpegError as error:
            raise ValueError(f"breaks off after {num_frames} frames: {_reason(error)}") from error
        if not num_frames:
            raise ValueError("no frame of it decodes")
        rate = float(stream.average_rate or 0)
        return VideoInfo(num_frames, one_each, rate, stream.codec_context.height, stream.codec_context.width)


def declared_frames(data: bytes) -> int:
    """How many frames the file says it has; 0 where it does not say.

    Raises:
      ValueError: no video stream; the message is the reason.
    """
    with _video_stream(data) as (_, stream):
        return stream.frames


def read_frames(
    data: bytes, indices: Int[np.ndarray, "*axes"], *, frame_per_packet: bool
) -> UInt8[np.ndarray, "*axes height width channel"]:
    """RGB frames at `indices`, counted in the order in which they are shown; each is decoded and converted once.

    Args:
      frame_per_packet: as `probe` found it; decoding then starts at the key frame before each wanted frame.

    Raises:
      ValueError: a frame cannot be had; the message is the reason.
    """
    wanted, inverse = np.unique(indices, return_inverse=True)
    with _video_stream(data) as (container, stream):
        find = _from_key_frames if frame_per_packet else _from_start
        try:
            frames = find(_packets(container, stream), wanted)
        except av.error.FFmpegError as error:
            raise ValueError(f"does not decode: {_reason(error)}") from error
        if len(frames) < len(wanted):
            raise ValueError(f"ends before frame {wanted[len(frames)]}: cut short, or changed since it was prepared")
        reformat = VideoReformatter().reformat  # one context for all frames; a new one for each costs twice the time
        first = frames[0]
        size = {"width": first.width, "height": first.height, "format": "rgb24"}
        pixels = np.stack([reformat(frame, **size).to_ndarray() for frame in frames])
    return pixels[inverse.reshape(indices.shape)]


def _packets(container, stream):
    """The packets of `stream`, the one that flushes the decoder last.

    Theora has empty packets that repeat a frame; decoded, each would flush the decoder too early.
    """
    return (packet for packet in container.demux(stream) if packet.size or packet.dts is None)


def _from_start(packets, wanted):
    """The wanted frames (sorted indices), decoding from the first packet until the last of them is out."""
    frames, position, targets = [], 0, set(wanted.tolist())
    for packet in packets:
        for frame in packet.decode():
            if position in targets:
                frames.append(frame)
            position += 1
        if len(frames) == len(wanted):
            break
    return frames


def _from_key_frames(packets, wanted):
    """The wanted frames, skipping what lies between one and the key frame before the next."""
    packets = [packet for packet in packets if packet.size]
    keys = np.array([i for i, packet in enumerate(packets) if packet.is_keyframe] or [0])
    frames, position = [], 0
    for index in wanted:
        if index >= len(packets):
            break
        key = keys[max(0, np.searchsorted(keys, index, side="right") - 1)]
        position = max(position, key)
        for packet in packets[position : index + 1]:
            decoded = packet.decode()
        position = index + 1
        frames.extend(decoded)
    return frames


@contextmanager
def _video_stream(data):
    """The container of `data` and its first video stream, decoded by one thread (the workers are the threads)."""
    try:
        container = av.open(io.BytesIO(data))
    except av.error.FFmpegError as error:
        raise ValueError(f"not a video: {_reason(error)}") from error
    with container:
        # The picture on a song's cover is a video stream to FFmpeg, but no video.
        streams = [each for each in container.streams.video if Disposition.attached_pic not in each.disposition]
        if not streams:
            raise ValueError("no video stream in it")
        stream = streams[0]
        stream.thread_type = "NONE"
        yield container, stream


def _reason(error):
    return (error.strerror or str(error)).rstrip(".")
