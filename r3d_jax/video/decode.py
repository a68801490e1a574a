"""A video's bytes and its packet index to decoded frames."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import av
import numpy as np
from av.stream import Disposition
from jaxtyping import Float, Int

MAX_PIXELS = 2**26  # of a frame; what claims more is damaged, or would take gigabytes
SKIPPING = ("h264", "hevc")  # codecs whose packets hold one frame each, and say whether others are made from it
KEPT = ("mpeg4",)  # codecs so quick that a new decoder costs a tenth of a short clip
CONTEXTS = 4  # decoders that each thread keeps


class PacketIndex(NamedTuple):
    """How to get at the frames of a video without reading its container.

    Attributes:
      packets: of each packet its first byte, its size, whether decoding may start there, and the number of the frame
        that it decodes to (-1: none); without rows, the container has to be read from its start.
      seconds: when each frame is shown, from 0.
      codec: FFmpeg's name of it.
      tag: by which decoders know the habits of the encoder; empty where there is none.
      extradata: what the decoder has to be given before the first packet.
      delay: how many frames come out later than the packets they are in.
      turn: quarter turns, counterclockwise, after which a decoded frame is upright.
      mirror: whether it is to be mirrored, left to right, before that.
    """

    packets: Int[np.ndarray, "packet 4"]
    seconds: Float[np.ndarray, "frame"]
    codec: str
    tag: str
    extradata: bytes
    delay: int
    turn: int
    mirror: bool


def decode(data: bytes, packet_index: PacketIndex, wanted: Int[np.ndarray, "frame"]) -> Iterator[av.VideoFrame]:
    """Decodes the frames of the `wanted` numbers, each once and as it is stored.

    Decoding starts at the last packet before a frame from which it may.

    Args:
      data: the file's bytes.
      packet_index: of the video in them, as `probe` gives it.
      wanted: rising numbers in the order in which frames are shown, from 0.

    Raises:
      ValueError: a frame cannot be had; the message is the reason.
    """
    indices, count = wanted.tolist(), 0
    # Where the packet index does not lead to a frame, all of the file does.
    for frames in (from_key_packets, _from_start) if len(packet_index.packets) else (_from_start,):
        try:
            for frame in frames(data, packet_index, indices[count:]):
                yield frame
                count += 1
        except av.error.FFmpegError as error:
            if frames is _from_start:
                raise ValueError(f"does not decode: {reason_of(error)}") from error
        if count == len(indices):
            return
    raise ValueError(f"ends before frame {indices[count]}: cut short, or changed since it was prepared")


def from_key_packets(data: bytes, packet_index: PacketIndex, wanted: list[int]) -> Iterator[av.VideoFrame]:
    """Decodes the wanted frames up to the first that does not come, entering at the key packet before each.

    Raises:
      av.error.FFmpegError: a packet does not decode.
    """
    packets, num_frames = packet_index.packets, len(packet_index.seconds)
    if wanted[-1] >= num_frames or packets[:, :2].sum(1).max() > len(data):
        return
    packet_of = packets[:, 3].argsort()[len(packets) - num_frames :].tolist()  # those without a frame sort first
    is_key, shown = packets[:, 2].tolist(), packets[:, 3].tolist()
    skipping = packet_index.delay > 0 and packet_index.codec in SKIPPING
    targets, got, position = set(wanted), {}, 0
    with _decoder(packet_index) as context:
        for index in wanted:
            entry = packet_of[index]
            # Frames shown before a key packet's own may come after it in the file, and need what is before it.
            while entry and not (is_key[entry] and 0 <= shown[entry] <= index):
                entry -= 1
            if entry > position:
                context.flush_buffers()
                position = entry
            while index not in got:
                if position > len(packets):
                    return
                if skipping and position < len(packets):  # frames that no other is made from
                    context.skip_frame = "DEFAULT" if shown[position] in targets else "NONREF"
                for frame in context.decode(_packet(data, packets, position)):
                    its = -1 if frame.pts is None else shown[frame.pts]
                    if its in targets and not (entry and frame.is_corrupt):
                        got[its] = frame
                position += 1
            yield got.pop(index)


def _packet(data, packets, position):
    """The packet at `position`, numbered; None, which makes the decoder give the rest, after the last."""
    if position == len(packets):
        return None
    start, size = packets[position, :2].tolist()
    packet = av.Packet(size)  # its own memory: decoders read a little beyond the end
    packet.update(data[start : start + size])
    packet.pts = position
    return packet


def _from_start(data, packet_index, wanted):
    """The wanted frames, reading the container from its start until the last of them is out."""
    del packet_index
    targets, position = set(wanted), 0
    with video_stream(data) as (container, stream):
        for packet in packets_of(container, stream):
            for frame in packet.decode():
                if position in targets:
                    yield frame
                if position == wanted[-1]:
                    return
                position += 1


_kept = threading.local()


@contextmanager
def _decoder(packet_index):
    """A decoder for the video's codec; each thread keeps its latest of KEPT."""
    contexts = _kept.__dict__.setdefault("contexts", {})
    key = (packet_index.codec, packet_index.tag, packet_index.extradata, packet_index.delay)
    context = contexts.pop(key, None)  # no longer kept while it is used: two videos may be read in turn
    if context is None:
        context = av.CodecContext.create(packet_index.codec, "r")
        context.extradata, context.reorder_depth = packet_index.extradata or None, packet_index.delay
        if packet_index.tag:
            context.codec_tag = packet_index.tag
        limit(context)
    yield context
    if packet_index.codec in KEPT:
        context.flush_buffers()
        if len(contexts) == CONTEXTS:
            del contexts[next(iter(contexts))]
        contexts[key] = context


def limit(context: av.CodecContext) -> None:
    """Holds a decoder to one thread, since the workers are the threads, and to frames of no absurd size."""
    context.thread_type, context.thread_count = "NONE", 1
    context.options = {"max_pixels": str(MAX_PIXELS)}


def packets_of(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.Packet]:
    """Reads the packets of a stream in the order of the file, then the one that flushes the decoder.

    Theora has empty packets that repeat a frame; decoded, each would flush the decoder too early.

    Raises:
      av.error.FFmpegError: the container cannot be read any further.
    """
    return (packet for packet in container.demux(stream) if packet.size or packet.dts is None)


@contextmanager
def video_stream(data: bytes | io.IOBase) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    """Opens a video for its `with` block: the container and its first video stream, decoded in one thread.

    Args:
      data: a file's bytes, or the file, open for reading bytes.

    Raises:
      ValueError: not a video, or no stream in it that can be decoded; the message is the reason.
    """
    file = io.BytesIO(data) if isinstance(data, bytes) else data
    try:
        # A list of files, which is a video to FFmpeg too, must not lead it to others on this machine or elsewhere.
        container = av.open(file, options={"protocol_whitelist": "none"})
    except av.error.FFmpegError as error:
        raise ValueError(f"not a video: {reason_of(error)}") from error
    with container:
        # The picture on a song's cover is a video stream to FFmpeg, but no video.
        streams = [each for each in container.streams.video if Disposition.attached_pic not in each.disposition]
        if not streams:
            raise ValueError("no video stream in it")
        if streams[0].codec_context is None:
            raise ValueError("no decoder for its video stream")
        limit(streams[0].codec_context)
        yield container, streams[0]


def reason_of(error: av.error.FFmpegError) -> str:
    """What FFmpeg says is wrong, in one line without a full stop."""
    return (error.strerror or str(error)).rstrip(".")
